"""A user's own network: found by `package.module:function`, called, and checked.

The function is called with (input_shape, num_classes, **params) and returns a Keras model.
It receives images as floats from 0 to 1: the scaling stands in front of it.
Nothing here imports Keras before a function is called.
"""

import ast
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnn_sweeps.config.schema import CustomModel, Model, own_network
from cnn_sweeps.errors import CnnSweepsError, ConfigError, ModelError
from cnn_sweeps.models import imports, own_training
from cnn_sweeps.models.network import Network, scores_dtype
from cnn_sweeps.models.source import Source, is_own

if TYPE_CHECKING:
    from cnn_sweeps.models.probe import Outputs

KEY = "model.function"
NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
"""How Keras makes a part of a message bold."""
GENERATED = "__autograph_generated_file"
"""In the name of the files that TensorFlow writes of functions that it traces."""
MOST_NAMED = 5
"""Files that a remark names."""
SUM_TOLERANCE = 0.03
"""How far the probabilities of an image may sum up to something other than 1, in bfloat16."""


def check_function_name(text: str, *, key: str = KEY) -> None:
    """Refuse anything that is not `package.module:function`; nothing is imported.

    Args:
        text: what was typed.
        key: behind which key.

    Raises:
        ConfigError: the text has another form.
    """
    if not NAME.fullmatch(text):
        raise ConfigError(
            f"{key}={text} is not of the form package.module:function.\n"
            f"Type for example {key}=my_nets:build for `def build` in my_nets.py."
        )


def check_there(text: str, *, key: str = KEY) -> None:
    """Refuse a function whose module or package is nowhere; nothing is imported.

    Args:
        text: what was typed.
        key: behind which key.

    Raises:
        ConfigError: there is no such module.
    """
    check_function_name(text, key=key)
    look_here()
    module_name = text.partition(":")[0]
    # Deeper than the first name, Python would import the package to look into it.
    root = module_name.partition(".")[0]
    if root not in sys.modules and importlib.util.find_spec(root) is None:
        raise ConfigError(_no_module(f"{key}={text}", module_name))


def find_function(text: str, *, key: str = KEY) -> Callable[..., Any]:
    """Import a function; modules in the current directory are found.

    Args:
        text: `package.module:function`.
        key: behind which key it was typed.

    Raises:
        ConfigError: no such module or function.
        ModelError: the module itself fails while it is imported.
    """
    check_function_name(text, key=key)
    module_name, _, name = text.partition(":")
    look_here()
    try:
        with blame(f"importing {module_name} for {key}"):
            module = importlib.import_module(module_name)
    except ModelError as error:
        if _is_missing(error.__cause__, module_name):
            raise ConfigError(_no_module(f"{key}={text}", module_name)) from None
        raise
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(_no_function(f"{key}={text}", vars(module)))
    return function  # type: ignore[no-any-return]  # any callable of the user's


def call(model: CustomModel, shape: tuple[int, ...], num_classes: int) -> Any:
    """Call the user's function and return its Keras model.

    Raises:
        ConfigError: the function does not take the given params.
        ModelError: it failed, or returned no Keras model.
    """
    import keras  # noqa: PLC0415 - a refusal of the name must not wait for it
    from keras.src.utils.naming import reset_uids  # noqa: PLC0415 - Keras has no public way to it

    look_here()
    reset_uids()  # layers without a name are called the same, whatever was built before
    with imports.fresh_modules(Source.find(model.function)):
        function = find_function(model.function)
        _check_params(function, model, shape, num_classes)
        with blame(f"model.function={model.function}"):
            network = function(shape, num_classes, **model.params)
    if not isinstance(network, keras.Model):
        raise ModelError(
            f"model.function={model.function} returned {_article(network)}, not a keras.Model.\n"
            "End it with `return model`, where model is a keras.Model or keras.Sequential."
        )
    own_training.check(model.function, network)
    return network


def attach_network(model: CustomModel, scaled: Any, num_classes: int) -> Any:
    """Put the user's network behind the scaled image; returns probabilities.

    Args:
        model: which function, and its params.
        scaled: the symbolic image, floats from 0 to 1, (batch, height, width, channels).
        num_classes: the scores that are wanted for each image.

    Raises:
        ConfigError: see `call`.
        ModelError: see `call`; or the network does not take the images, or gives other
            than `num_classes` scores for each.
    """
    from keras import layers  # noqa: PLC0415 - as above

    shape = tuple(scaled.shape[1:])
    network = call(model, shape, num_classes)
    with blame(f"model.function={model.function} on images of {shape}"):
        scores = network(scaled)
    _check_scores(model, scores, num_classes)
    if model.from_logits:
        return layers.Softmax(dtype=scores_dtype(), name="scores")(scores)
    if scores.dtype != scores_dtype():
        return layers.Activation("linear", dtype=scores_dtype(), name="scores")(scores)
    return scores


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What is known of a user's own network once it is built.

    Attributes:
        sha256: the digest that names it, 64 hex digits.
        remarks: what could not be looked at, a sentence each.
    """

    sha256: str
    remarks: tuple[str, ...]


def examine(model: CustomModel, built: Any) -> Examined:
    """Look at what a built network gives for a few images.

    Only building tells what a function makes: it may read a file, or a variable of the system.

    Args:
        model: which function, and its params.
        built: the network that is trained, as `build_model` gave it last; it is left as it
            is.

    Raises:
        ModelError: raw scores where probabilities are expected, or the other way round.
    """
    import keras  # noqa: PLC0415 - as above

    from cnn_sweeps.models import probe  # noqa: PLC0415 - as above

    own = keras.Model(built.inputs, built.layers[-1].input) if model.from_logits else built
    with blame(f"model.function={model.function}"):
        seen = probe.look_at(own)
    remarks = []
    if seen.outputs is not None:
        _check_probabilities(model, seen.outputs)
    else:
        remarks.append(
            f"model.function={model.function} calls Python code to compute (tf.py_function, "
            "tf.numpy_function): whether it gives probabilities was not checked, and a change of "
            "what that code reads is not noticed. trajectory.reuse=false trains it again."
        )
    unseen = imports.unseen_modules(Source.find(model.function))
    if unseen:
        named = [each.path for each in unseen[:MOST_NAMED]]
        named += [f"{len(unseen) - MOST_NAMED} more"] * (len(unseen) > MOST_NAMED)
        remarks.append(
            f"model.function={model.function} imports {', '.join(named)} "
            "under a computed name, by its path, or from a folder that it adds to sys.path: "
            "neither in the hash nor stored. An import statement and PYTHONPATH make it both."
        )
    digest = probe.network_sha256(built, seen, [each.sha256 for each in unseen])
    return Examined(sha256=digest, remarks=tuple(remarks))


@contextmanager
def user_code_errors(model: Model, loss: str | None = None) -> Iterator[None]:
    """Say in one line what fails in the user's own layers, or loss, while they are trained.

    Args:
        model: the network.
        loss: the user's own loss, if there is one.

    Raises:
        ModelError: an error that went through a file of the user's.
    """
    try:
        yield
    except CnnSweepsError:
        raise
    except Exception as error:
        network = own_network(model)
        own = {KEY: network.function if network else None, "trainer.loss": loss}
        typed = " ".join(f"{key}={function}" for key, function in own.items() if function)
        if not typed or not _place(error):
            raise
        with blame(f"training {typed}"):
            raise


def look_here() -> None:
    """Let modules of the current directory be found.

    `python -m` does this by itself and a console script does not: both shall find the same.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()


def _check_params(
    function: Callable[..., Any], model: CustomModel, shape: tuple[int, ...], num_classes: int
) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # something built in, without a signature: let the call tell
        return
    try:
        signature.bind(shape, num_classes, **model.params)
    except TypeError as error:
        given = ", ".join(model.params) or "none"
        raise ConfigError(
            f"model.function={model.function} cannot be called with model.params ({given}): "
            f"{error}.\nIts signature is {function.__name__}{signature}; it is called with "
            "(input_shape, num_classes, **params)."
        ) from None


def _check_scores(model: CustomModel, scores: Any, num_classes: int) -> None:
    if isinstance(scores, list | tuple | dict):
        raise ModelError(
            f"model.function={model.function} returned a model with {len(scores)} outputs.\n"
            f"It must have one, of shape (batch, {num_classes})."
        )
    if tuple(scores.shape) != (None, num_classes):
        raise ModelError(
            f"model.function={model.function} returned a model whose output has the shape "
            f"{_shape(scores)}, but there are {num_classes} classes.\n"
            f"It must be (batch, {num_classes}): end it with "
            "keras.layers.Dense(num_classes, activation='softmax')."
        )


def _check_probabilities(model: CustomModel, seen: "Outputs") -> None:
    """Refuse raw scores that would be trained as if they were probabilities, and the reverse."""
    function = f"model.function={model.function}"
    if not (np.isfinite(seen.inference).all() and np.isfinite(seen.training).all()):
        return  # the loss will tell
    sums = seen.inference.sum(axis=1)
    are_probabilities = seen.inference.min() >= 0 and (abs(sums - 1) <= SUM_TOLERANCE).all()
    if model.from_logits and are_probabilities:
        raise ModelError(
            f"{function} gives probabilities already, and model.from_logits=true would put a "
            "second softmax behind them.\nLeave model.from_logits out, or end the network without "
            "softmax."
        )
    if not model.from_logits and not are_probabilities:
        remedy = "Type model.from_logits=true, or end the network with a softmax."
        if seen.inference.min() > 0 and seen.inference.max() < 1:
            remedy = (
                "End the network with a softmax: a sigmoid for each class does not sum up to 1."
            )
        raise ModelError(
            f"{function} gives raw scores and no probabilities: for one image they are from "
            f"{seen.inference[0].min():.2g} to {seen.inference[0].max():.2g} and sum up to "
            f"{sums[0]:.2g}.\n{remedy}"
        )
    if not model.from_logits and seen.training.min() < 0:
        raise ModelError(
            f"{function} gives probabilities when it predicts, but raw scores while it is "
            "trained.\nLet it give the same in both; for raw scores, type model.from_logits=true."
        )


def _shape(scores: Any) -> str:
    sides = ["batch", *(str(side) for side in scores.shape[1:])]
    return f"({', '.join(sides)})"


def _article(value: Any) -> str:
    return "nothing (None)" if value is None else f"a {type(value).__name__}"


@contextmanager
def blame(doing: str) -> Iterator[None]:
    """Turn whatever the user's code raises into one line that names file and line."""
    try:
        yield
    except CnnSweepsError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"{doing} failed{_place(error)}: {type(error).__name__}: {_message(error)}"
        ) from error


def _message(error: BaseException) -> str:
    """The first line of an error, of what Keras wraps around it the line that tells."""
    traced = next(_traced(error), None)
    text = traced.cause_message.partition(": ")[2] if traced else str(error)
    if text.startswith("'"):  # a KeyError quotes what it has, Keras' words around it as well
        with suppress(ValueError, SyntaxError):
            text = str(ast.literal_eval(text))
    text = ANSI.sub("", text).rpartition("Error encountered:")[2]
    lines = [line for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (told or lines or ["no message"])[0].strip()


def _place(error: BaseException) -> str:
    """Where in the user's own file it happened, if the error went through one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" at {error.filename}:{error.lineno}"
    stacks = [each.translated_stack for each in _traced(error)]
    stacks.append(traceback.extract_tb(error.__traceback__)[::-1])  # the innermost frame first
    for frame in chain.from_iterable(stacks):
        if is_own(Path(frame.filename)) and GENERATED not in frame.filename:
            return f" at {frame.filename}:{frame.lineno}"
    return ""


def _traced(error: BaseException) -> Iterator[Any]:
    """What TensorFlow noted of the code that it traced, which ran as a file that it wrote.

    Source: `tensorflow.python.autograph.pyct.error_utils.ErrorMetadataBase`.
    """
    current: BaseException | None = error
    while current is not None:
        if (noted := getattr(current, "ag_error_metadata", None)) is not None:
            yield noted
        current = current.__cause__ or current.__context__


def _is_missing(error: BaseException | None, module_name: str) -> bool:
    """Whether the module itself (or its package) is missing, not something it imports."""
    return isinstance(error, ModuleNotFoundError) and (
        f"{module_name}.".startswith(f"{error.name}.")
    )


def _no_module(typed: str, module_name: str) -> str:
    path = module_name.replace(".", os.sep)
    return (
        f"{typed}: there is no module {module_name}.\n"
        f"Looked for {path}.py in {Path.cwd()} and among the installed packages; "
        "run the command in the folder that holds it."
    )


def _no_function(typed: str, members: dict[str, Any]) -> str:
    module_name, _, name = typed.partition("=")[2].partition(":")
    known = [key for key, value in members.items() if inspect.isfunction(value)]
    listed = ", ".join(known) or "none"
    return f"{typed}: {module_name} has no function {name}.\nIts functions: {listed}."


def title(model: CustomModel) -> str:
    """The name of the function: `custom build_net`."""
    return f"custom {model.function.rpartition(':')[2]}"


NETWORK: Network[CustomModel] = Network(
    build=attach_network,
    title=title,
    # Shape and size are the function's own affair; it says so when it is called.
    check=lambda model, _shape: check_there(model.function),
)
