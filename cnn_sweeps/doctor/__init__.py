"""`cnn-sweeps doctor`: what on this machine would go wrong, and what to do about it.

A check is a function from a `Machine` to findings. It only looks: nothing is made, migrated,
fixed or imported that takes long.
"""
