"""A switch that would change nothing is refused, with what to type."""

import pytest
from networks import settings

from cnn_sweeps.config.schema import Augment
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.training import no_effect


@pytest.mark.parametrize(
    ("augment", "shape", "named"),
    [
        (Augment(flip="vertical"), (1, 28, 1), "augment.flip=vertical has no effect .* one row"),
        (Augment(flip="both"), (28, 1, 1), "augment.flip=both has no effect .* one column"),
        (Augment(crop=0.01), (8, 8, 3), r"augment.crop=0.01 .*\n.*augment.crop=0.12 or more"),
        (Augment(rotate=10.0), (1, 1, 3), "augment.rotate=10 has no effect"),
        (Augment(erasing=0.5), (1, 1, 3), "augment.erasing=0.5 has no effect"),
        (Augment(cutmix=1.0), (1, 1, 3), "augment.cutmix=1 has no effect"),
    ],
)
def test_images_of_too_few_pixels(
    augment: Augment, shape: tuple[int, int, int], named: str
) -> None:
    """What they cannot show; on larger images the same switch is taken."""
    with pytest.raises(ConfigError, match=named):
        no_effect.check(augment, settings(), shape)
    no_effect.check(augment, settings(), (64, 64, 3))
    no_effect.check(augment, settings(), None)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_batch_of_one_has_nothing_to_mix(name: str) -> None:
    """Whatever the images."""
    augment = Augment(**{name: 0.2})
    with pytest.raises(ConfigError, match=f"augment.{name}=0.2 has no effect .*batch_size=1"):
        no_effect.check(augment, settings(batch_size=1), None)
    no_effect.check(augment, settings(batch_size=2), None)
