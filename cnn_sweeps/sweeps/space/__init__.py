"""The space that is searched: what a sweep varies, and when it counts."""
