"""One experiment: run it, reuse it, look it up, do it again."""
