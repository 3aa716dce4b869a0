"""The epoch cache: every epoch is trained once, stored, and resumed from.

A config without the fields that only say when to stop determines one endless sequence of
epochs, its *trajectory*. A run is a prefix of it. What is known of a trajectory is read; what
is missing is trained from the nearest checkpoint, with the same bits as from scratch.
"""
