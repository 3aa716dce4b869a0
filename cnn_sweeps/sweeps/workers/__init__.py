"""Processes that take trials from the queue and train them."""
