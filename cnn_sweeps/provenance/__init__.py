"""What makes a result what it is: experiment, environment, code, process."""
