"""What is typed becomes a checked config, or an error that says what to type."""
