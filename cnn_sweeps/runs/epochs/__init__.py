"""What stored epochs tell afterwards: further metrics, other choices, wrong labels."""
