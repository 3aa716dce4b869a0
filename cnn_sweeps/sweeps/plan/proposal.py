"""Which proposal of a study a sampler is asked for, and the random numbers that belong to it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One time that a sampler is asked.

    Its random numbers follow from the seed of the study and from these two numbers alone: not
    from who asks, nor from what was asked before, nor from how often the sweep was interrupted.

    Attributes:
        slot: the slot of the budget that it is for, from 0.
        resampled: how often that slot's proposal has repeated another one.
    """

    slot: int = 0
    resampled: int = 0

    def seed(self, seed: int) -> int:
        """The seed of its random numbers in a study with this seed."""
        import numpy as np  # noqa: PLC0415 - only a study needs it

        key = (self.slot, self.resampled)
        return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0])
