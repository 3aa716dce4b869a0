"""Refuse a network with a training step of its own, which our loop would not call.

The network becomes a part of the one that is trained. What it is called with is called; its
methods for a whole training, and what it was compiled with, are not.
"""

from typing import Any, Final

from cnn_sweeps.errors import ModelError

METHODS: Final = (
    *("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"),
    *("fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"),
    *("make_train_function", "make_test_function", "make_predict_function"),
    *("compile", "metrics", "get_metrics_result", "reset_metrics"),
)
"""What `keras.Model` does when it is trained or scored, and a subclass may do in its own way."""


def check(function: str, network: Any) -> None:
    """Refuse a network that would be trained in another way than it says.

    What a layer adds by `add_loss`, regularizers and frozen layers count as always.

    Args:
        function: `package.module:function`, which made it.
        network: a Keras model.

    Raises:
        ModelError: it has methods of its own for training, or is compiled.
    """
    own = [name for name in METHODS if _is_own(network, name)]
    if own:
        raise ModelError(
            f"model.function={function} returned a {type(network).__name__} with its own "
            f"{', '.join(own)}, which would not be used: the training loop, cross-entropy and "
            "accuracy are those of cnn_sweeps.\nLeave it out; a further loss can be added by "
            "add_loss in a layer, or by a regularizer."
        )
    given = [name for name in ("optimizer", "loss") if getattr(network, name, None) is not None]
    if network.compiled or given:
        what, out = "a compiled model, whose optimizer, loss and metrics", "model.compile(...)"
        if not network.compiled:
            what, out = f"a model with its own {' and '.join(given)}, which", "that"
        raise ModelError(
            f"model.function={function} returned {what} would not be used.\nLeave {out} out, and "
            "type for example trainer.optimizer.name=sgd trainer.optimizer.learning_rate=0.01."
        )


def _is_own(network: Any, name: str) -> bool:
    """Whether a method is another one than Keras' own."""
    if name in vars(network):  # put onto the instance
        return True
    owner = next((cls for cls in type(network).__mro__ if name in vars(cls)), None)
    return owner is not None and owner.__module__.partition(".")[0] != "keras"
