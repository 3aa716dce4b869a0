"""What a sweep does, settled before anything starts."""
