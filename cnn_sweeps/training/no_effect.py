"""Augmentation that would change nothing, refused before anything is trained."""

from cnn_sweeps.config.schema import Augment, TrainerConfig
from cnn_sweeps.errors import ConfigError


def check(augment: Augment, trainer: TrainerConfig, shape: tuple[int, int, int] | None) -> None:
    """Refuse a switch that has no effect on images of that shape, or with that batch size.

    Args:
        augment: what is done to the training images.
        trainer: how they are trained on.
        shape: height, width and channels; None where it is not known before they are read.

    Raises:
        ConfigError: naming the first such switch, and what to type.
    """
    for name in ("mixup", "cutmix"):
        if getattr(augment, name) and trainer.batch_size == 1:
            raise ConfigError(
                f"augment.{name}={getattr(augment, name):g} has no effect with "
                "trainer.batch_size=1: images of one step are mixed.\n"
                f"Type a larger trainer.batch_size, or augment.{name}=0."
            )
    if trainer.loss is not None:
        _check_own_loss(augment, trainer)
    if shape is not None:
        _check_shape(augment, *shape[:2])


def _check_own_loss(augment: Augment, trainer: TrainerConfig) -> None:
    """Refuse shares of classes beside a loss that is called with one class for each image."""
    shares = {
        "augment.mixup": augment.mixup,
        "augment.cutmix": augment.cutmix,
        "trainer.label_smoothing": trainer.label_smoothing,
    }
    for key, value in shares.items():
        if value:
            raise ConfigError(
                f"{key}={value:g} gives an image shares of classes, and trainer.loss="
                f"{trainer.loss} is called with one class for each.\n"
                f"Type {key}=0, or trainer.loss=null for cross-entropy."
            )


def _check_shape(augment: Augment, height: int, width: int) -> None:
    """Refuse what images of so few pixels cannot show."""
    size = f"images of {height}x{width} pixels"
    for axis, pixels in (("vertical", height), ("horizontal", width)):
        if augment.flip in (axis, "both") and pixels == 1:
            raise ConfigError(
                f"augment.flip={augment.flip} has no effect on {size}: they have one "
                f"{'row' if axis == 'vertical' else 'column'}.\n"
                f"Type augment.flip={'vertical' if axis == 'horizontal' else 'horizontal'} or none."
            )
    longest = max(height, width)
    if augment.crop and round(augment.crop * longest) == 0:
        raise ConfigError(
            f"augment.crop={augment.crop:g} has no effect on {size}: it shifts by less than one.\n"
            f"Type augment.crop={1 / longest:.2g} or more, or augment.crop=0."
        )
    for name in ("rotate", "zoom", "cutmix", "erasing", "randaugment"):
        if getattr(augment, name) and longest == 1:
            raise ConfigError(
                f"augment.{name}={getattr(augment, name):g} has no effect on {size}.\n"
                f"Type augment.{name}=0."
            )
