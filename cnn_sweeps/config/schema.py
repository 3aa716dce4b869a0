"""The typed configuration: one frozen dataclass for each config group.

`Config` is what Hydra's composition becomes at the edge of the program. Everything after
the edge reads these fields and nothing else. Each field says in one sentence what it is;
its type carries the range. Marks decide what a field means for the identity of an
experiment (see `cnn_sweeps.provenance.identity`):

- `not_identity()`: the field does not change what the experiment is (paths, tracking, display,
  thread counts, and whatever the digest of the data already covers);
- `stopping_only()`: the field only says when to stop; it belongs to the run but not to the
  trajectory that the run is a prefix of;
- `active_if()`: the field counts only where another one is set; `active_for=` names the options of
  its group for which it does;
- `added()`: the field came after version 1. It names its neutral value: what every earlier
  experiment had without saying so. While a config holds that value, the field is no part of the
  hashed content, and a record without the field reads so, whatever the default is today.

`changes=` says whether a field may differ between the phases of a training, where that is not just
because it is part of the trajectory's identity (see `cnn_sweeps.config.path`).

Two more marks are for the fields of `data`: `location=True` says where the images lie, which may
be elsewhere when a run is reproduced; `selects=False` that the field does not help to say which
images are meant. A location that does both, as every `path`, has to be there.

The defaults of version 1 stay as they are: a base config that was stored may leave a field out.
What new experiments start from is written in `conf/`.
"""

import json
import os
import re
from dataclasses import field, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from cnn_sweeps.config.rules import AUGMENT, DATA, SPELLING, newest_number
from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text.json import from_text

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Alpha = Annotated[float, Field(ge=0, le=100)]
DataRules = Annotated[int, Field(ge=1, le=newest_number(DATA))]
AugmentRules = Annotated[int, Field(ge=1, le=newest_number(AUGMENT))]
SpellingRules = Annotated[int, Field(ge=1, le=newest_number(SPELLING))]
Resize = Literal["stretch", "crop", "pad"]
LabelsMode = Literal["as_is", "renumber"]
Weight = Annotated[float, Field(ge=0)]
Column = Annotated[str, Field(min_length=1)]
Numbers = tuple[Positive, ...]
Size = tuple[Positive, Positive]
DECAYING = ("cosine", "exponential", "linear", "sqrt")
"""Schedules that go to an end value over `decay_epochs`."""
DROPPING = ("step", "reduce_on_plateau")
"""Schedules that multiply the learning rate by `drop_factor` again and again."""
Activation = Literal["relu", "elu", "selu", "gelu", "silu", "leaky_relu", "tanh", "sigmoid"]


IMAGENET = "imagenet"
"""What `model.weights` calls the weights that Keras publishes."""
HUB = "hub:"
"""Stands before a preset of KerasHub, in `model.backbone` and `model.weights`."""
DEFAULT_BACKBONE = "MobileNetV2"
RUN_HASH = re.compile("[0-9a-f]{4,64}")
"""The beginning of a config hash, as `model.weights` takes it."""


def _digits(value: Any) -> Any:
    """A hash of decimal digits alone, which would be read as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


WeightsName = Annotated[str, Field(min_length=1), BeforeValidator(_digits)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _named(path: Any) -> Any:
    """Refuse an empty path: it would be the folder that one happens to be in."""
    if isinstance(path, str) and not path.strip():
        raise ValueError("empty")
    return path


def _at_home(path: Path) -> Path:
    """Replace `~`: a shell leaves the one in `tracking.dir=~/x` alone.

    Without a home the path stays: what is stored is read on any machine.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 -- Path's raises where there is none


def _listed(names: Any) -> Any:
    """One name, or a list of them, as a tuple."""
    return (
        (names,) if isinstance(names, str) else tuple(names) if isinstance(names, list) else names
    )


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Place = Annotated[Path, BeforeValidator(_named)]
Home = Annotated[Place, AfterValidator(_at_home)]


def not_identity(default: Any, **marks: bool) -> Any:
    """A field that is no part of the experiment's identity.

    Args:
        default: what it is where nothing is said; `...` where something must be.
        marks: `location` and `selects`, see above.
    """
    return field(default=default, metadata={"identity": False, **marks})


def stopping_only(default: Any) -> Any:
    """A field that says when to stop: part of the run, not of its trajectory."""
    return field(default=default, metadata={"trajectory": False})


def active_if(sibling: str, default: Any) -> Any:
    """A field that has a meaning only where its sibling is not 0 or null."""
    return field(default=default, metadata={"active_if": sibling})


def added(*, default: Any, neutral: Any, **marks: Any) -> Any:
    """A field, or a whole group, that came after version 1.

    Args:
        default: what a new experiment gets; it may change later.
        neutral: what every earlier experiment had; it never changes.
        marks: as the other functions set them: `identity`, `trajectory`, `active_if`,
            `active_for`, `changes`.
    """
    metadata = {"neutral": neutral, **marks}
    if is_dataclass(default):  # dataclasses refuse an instance as the default of all
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DenseHead:
    """What stands between the image (or the convolutions) and the class scores."""

    dense_units: Count | Numbers = 128
    """Units of the hidden dense layer, or a list, one for each; 0 for none."""
    dropout: Fraction = 0.0
    """Share of units dropped after each hidden dense layer while training."""
    batch_norm: bool = False
    """Normalise each convolution (each hidden dense layer in `dnn`) over the batch."""
    activation: Activation = "relu"
    """Activation of every hidden layer, by its Keras name."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DnnModel(DenseHead):
    """A dense network on the flattened image."""

    name: Literal["dnn"] = "dnn"
    """Which builder makes the network."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CnnModel(DenseHead):
    """Blocks of convolution and pooling in front of a dense network."""

    name: Literal["cnn"] = "cnn"
    """Which builder makes the network."""
    filters: Positive | Numbers = active_if("conv_blocks", 64)
    """Filters of each convolution: one number for all, or a list, one for each block."""
    conv_blocks: Annotated[int, Field(ge=0, le=1000)] = 2
    """How many blocks of convolution and pooling; 0 leaves the dense network."""
    kernel_size: Positive = active_if("conv_blocks", 3)
    """Side of the square kernel, in pixels."""
    padding: Literal["valid", "same"] = active_if("conv_blocks", "valid")
    """`valid` loses the border at each convolution, `same` keeps the size."""
    pooling: Literal["max", "average", "none"] = active_if("conv_blocks", "max")
    """What follows each convolution; `none` leaves the pooling out."""
    pool_size: Positive = active_if("conv_blocks", 2)
    """Side of the square pooling window, in pixels."""
    global_pooling: Literal["none", "average", "max"] = added(
        default="none", neutral="none", active_if="conv_blocks"
    )
    """What makes one number of each final feature map; `none` flattens the maps."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ResnetModel:
    """A residual network with batch norm and global average pooling."""

    name: Literal["resnet"] = "resnet"
    """Which builder makes the network."""
    depth: Annotated[int, Field(ge=4, le=1202)] = 8
    """Layers with weights, 2 * stages * n + 2 for n blocks in each stage: 8, 14, 20, ... for 3."""
    width: Positive = 16
    """Filters of the first stage; each further one has twice as many."""
    stages: Annotated[int, Field(ge=1, le=8)] = 3
    """Stages; each one after the first halves the feature maps."""
    dropout: Fraction = 0.0
    """Share of features dropped before the class scores while training."""
    activation: Activation = "relu"
    """Activation of every hidden layer, by its Keras name."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CustomModel:
    """A user's own network."""

    function: str
    """`package.module:function`, called with (input_shape, num_classes, **params)."""
    name: Literal["custom"] = "custom"
    """Which builder makes the network."""
    params: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments for the function; their names are its own affair."""
    from_logits: bool = False
    """Whether the last layer gives raw scores instead of probabilities."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class HubModel:
    """A backbone of KerasHub, as its preset describes it."""

    class_name: str
    """Its class in `keras_hub.models`."""
    name: Literal["hub"] = "hub"
    """Which builder makes the network."""
    config: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the class, but for the shape of the images."""
    scale: tuple[float, ...] | None = None
    """What pixels from 0 to 255 are multiplied by: one number, or one for each colour."""
    offset: tuple[float, ...] | None = None
    """What is added then."""


Own = Annotated[
    DnnModel | CnnModel | ResnetModel | CustomModel | HubModel, Field(discriminator="name")
]
"""The networks that can be a backbone, beside the applications of Keras."""
OWN: TypeAdapter[Any] = TypeAdapter(Own, config=ConfigDict(defer_build=True))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Head(DenseHead):
    """What stands behind a backbone; hidden dense layers only where they are asked for."""

    pooling: Literal["average", "max", "none"] = "average"
    """What makes one number of each feature map; `none` flattens the maps."""
    dense_units: Count | Numbers = 0
    """Units of the hidden dense layer, or a list, one for each; 0 for none."""
    dropout: Fraction = 0.0
    """Share of features, and of units of each hidden layer, dropped while training."""
    batch_norm: bool = False
    """Normalise each hidden dense layer over the batch."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PretrainedModel:
    """A network that was trained before, with a new head."""

    name: Literal["pretrained"] = "pretrained"
    """Which builder makes the network."""
    backbone: str | dict[str, Any] | None = None
    """A name of `keras.applications`, a preset of KerasHub (`hub:...`), or a network of ours or the
    user's own as a mapping (`name: resnet`, ...); null for that of `weights`, else MobileNetV2."""
    params: dict[str, Any] = field(default_factory=dict)
    """Further keyword arguments of that application, such as `alpha`."""
    weights: WeightsName | None = not_identity(IMAGENET)
    """`imagenet` (of a preset, its own), the hash of a run, a preset of KerasHub (`hub:...`), or a
    file of weights; null for random ones."""
    weights_sha256: Digest | None = None
    """Digest of these weights: of the file, or of all weights of the run. Found where null."""
    trained_on: tuple[Positive, Positive, Positive] | None = None
    """Height, width and channels of the images of that run; null for those at hand."""
    trained_classes: Positive | None = added(default=None, neutral=None)
    """Classes of that run, where its network is the user's own; null for 2."""
    layer: Column | None = None
    """The layer whose output the head gets; the last feature map when null, or what the last layer
    with weights of a user's own network got."""
    input_size: Size | None = None
    """Height and width that the images are brought to for the backbone; null to leave them."""
    head: Head = field(default_factory=Head)
    """What stands behind the backbone."""

    def __post_init__(self) -> None:
        """Say which backbone it is as far as that is known without the weights.

        Raises:
            ConfigError: it is no network of ours.
        """
        backbone = self.backbone
        if backbone is None and self.weights_from in ("imagenet", "nothing"):
            backbone = DEFAULT_BACKBONE
        elif isinstance(backbone, dict):
            backbone = spelt_out(backbone)
        object.__setattr__(self, "backbone", backbone)

    @property
    def weights_from(self) -> Literal["nothing", "imagenet", "run", "hub", "file"]:
        """What `weights` names."""
        if self.weights is None:
            return "nothing"
        if self.weights == IMAGENET:
            return "imagenet"
        if self.weights.startswith(HUB):
            return "hub"
        return "run" if RUN_HASH.fullmatch(self.weights) else "file"

    @property
    def network(self) -> Any:
        """The network of a run that is the backbone; None for another, or before it is known."""
        is_own = isinstance(self.backbone, dict)
        return OWN.validate_json(json.dumps(self.backbone)) if is_own else None


def spelt_out(network: dict[str, Any]) -> dict[str, Any]:
    """All fields of such a network, but for those that were added and are neutral.

    Raises:
        ConfigError: it is none.
    """
    try:
        known = OWN.validate_json(json.dumps(network))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["model.backbone", *(str(part) for part in first["loc"][1:])])
        raise ConfigError(
            f"{key} is invalid ({first['msg'].lower()}). Type, for example, "
            "'model.backbone={name: resnet, depth: 8, width: 16}', or the name of an application."
        ) from None
    if isinstance(known, CustomModel):
        known = replace(known, from_logits=False)  # it is cut before its scores
    plain = OWN.dump_python(known, mode="json")
    neutral = {f.name: f.metadata["neutral"] for f in fields(known) if "neutral" in f.metadata}
    return {key: value for key, value in plain.items() if value != neutral.get(key, ...)}


Model = Annotated[
    DnnModel | CnnModel | ResnetModel | CustomModel | PretrainedModel, Field(discriminator="name")
]


def own_network(model: Model) -> CustomModel | None:
    """The user's own network that this is, or that is its backbone; None where there is none."""
    network = model.network if isinstance(model, PretrainedModel) else model
    return network if isinstance(network, CustomModel) else None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Split:
    """How the images are divided; the same for every data set."""

    validation_fraction: Fraction = 0.1
    """Share of the training images held out, class by class; 0 for none."""
    split_seed: Seed = 0
    """Which images are held out; apart from `seed`, so that repeats share one split."""
    limit: Positive | None = None
    """Use only the first so many training images; all when null."""
    rules: DataRules = added(default=newest_number(DATA), neutral=1)
    """How images are read, scaled and split; the number says which version of that."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ArchiveData(Split):
    """A published data set, found on disk or downloaded and checked."""

    name: Literal["fashion_mnist", "mnist", "cifar10"] = not_identity("fashion_mnist")
    """Which data set."""
    root: Place | None = not_identity(None, location=True, selects=False)
    """Folder that holds (or holds a folder with) the archives; else CNN_SWEEPS_DATA."""
    download: bool = not_identity(True, selects=False)
    """Whether a data set that is nowhere on disk may be downloaded."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DigitsData(Split):
    """The 1,797 UCI digits that ship with scikit-learn, brought from 8x8 to 28x28."""

    name: Literal["digits"] = not_identity("digits")
    """Which data set."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = not_identity(0.2)
    """Share of the images, class by class, that makes the test split."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ImageFiles(Split):
    """A user's own images, a file each: how they are decoded, and where that is kept."""

    path: Place = not_identity(..., location=True)
    """What names the files."""
    name: str = not_identity("")
    """Which reader."""
    image_size: Size = not_identity((28, 28))
    """Height and width every image is brought to, in pixels."""
    color: Literal["rgb", "grayscale"] = not_identity("rgb")
    """Three channels or one."""
    resize: Resize = added(default="stretch", neutral="stretch", identity=False)
    """An image of another aspect ratio: `stretch` it, `crop` to its middle, `pad` it with black."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = not_identity(0.2)
    """Share of each class that makes the test split when there are no test images."""
    skip_unreadable: bool = added(default=False, neutral=False, identity=False)
    """Whether files that cannot be read as images are left out, instead of refused."""
    cache: Place | None = added(
        default=None, neutral=None, identity=False, location=True, selects=False
    )
    """Folder of decoded images and backbone features; CNN_SWEEPS_CACHE or `~/.cache/cnn_sweeps`
    when null."""
    cache_gb: Annotated[float, Field(ge=0)] = added(
        default=20.0, neutral=20.0, identity=False, selects=False
    )
    """Its size in GB (10^9 bytes), the least recently used go first; 0 keeps them in memory."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FolderData(ImageFiles):
    """A user's own images, one sub-folder for each class."""

    path: Place = not_identity(..., location=True)
    """Folder with `train/` and `test/`, or with the class folders themselves."""
    name: Literal["image_folder"] = not_identity("image_folder")
    """Which reader."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TableData(ImageFiles):
    """A user's own images, listed in a CSV or Parquet file."""

    path: Place = not_identity(..., location=True)
    """The table: a row for each image; paths in it begin at its folder."""
    name: Literal["table"] = not_identity("table")
    """Which reader."""
    path_column: Column = not_identity("path")
    """The column of image files."""
    label_column: Column = not_identity("label")
    """The column of labels: text or numbers, each different one a class, in sorted order."""
    split_column: Column | None = not_identity(None)
    """The column of `train`, `val` and `test`; `split` when null, if there is one."""
    group_column: Column | None = not_identity(None)
    """The column of groups, none of which is divided; `group` when null, if there is one."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class IdxData(Split):
    """A user's own arrays: four IDX files in a folder."""

    path: Place = not_identity(..., location=True)
    """The folder of the IDX files."""
    name: Literal["idx"] = not_identity("idx")
    """Which reader."""
    labels: LabelsMode = added(default="as_is", neutral="as_is", identity=False)
    """`as_is`: integers from 0; `renumber`: any numbers or text, a class each, in sorted order."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class NpzData(Split):
    """A user's own arrays: one NPZ file."""

    path: Place = not_identity(..., location=True)
    """The NPZ file with x_train y_train x_test y_test."""
    name: Literal["npz"] = not_identity("npz")
    """Which reader."""
    labels: LabelsMode = added(default="as_is", neutral="as_is", identity=False)
    """`as_is`: integers from 0; `renumber`: any numbers or text, a class each, in sorted order."""


Data = Annotated[
    ArchiveData | DigitsData | FolderData | TableData | IdxData | NpzData,
    Field(discriminator="name"),
]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Optimizer:
    """The optimizer and its own parameters, by their Keras names."""

    name: Literal["adam", "adamw", "nadam", "adamax", "rmsprop", "sgd", "adagrad", "lion"] = "adam"
    """Which optimizer."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    """Learning rate, or its value at the start when there is a schedule."""
    weight_decay: int | float | None = added(
        default=None, neutral=None, identity=False, changes=True
    )
    """Weight decay; null for the default of Keras. The same value as `params.weight_decay`."""
    params: dict[str, Any] = field(default_factory=dict)
    """Further keyword arguments of that Keras optimizer, such as `momentum`."""

    def __post_init__(self) -> None:
        """Let weight decay be one value, whichever of the two keys was typed.

        The hash has it in `params`, where it was before it got a key of its own.

        Raises:
            ConfigError: the two keys have different values.
        """
        value, params = _one_setting(
            "trainer.optimizer.weight_decay", self.weight_decay, "weight_decay", self.params
        )
        object.__setattr__(self, "weight_decay", value)
        object.__setattr__(self, "params", params)


def _one_setting(
    key: str, given: Any, name: str, params: dict[str, Any]
) -> tuple[int | float | None, dict[str, Any]]:
    """The value of a key that is also a parameter of the optimizer, and the parameters with it.

    Raises:
        ConfigError: the two have different values.
    """
    inner = params.get(name)
    if given is None:
        number = isinstance(inner, int | float) and not isinstance(inner, bool)
        return (inner if number else None), params
    if name not in params:
        return given, {**params, name: given}
    if inner != given:
        raise ConfigError(
            f"{key}={given} and trainer.optimizer.params.{name}="
            f"{'null' if inner is None else inner} are one setting with two values; type one."
        )
    return given, params


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Schedule:
    """How the learning rate changes over training."""

    name: Literal[
        "constant", "cosine", "exponential", "linear", "sqrt", "wsd", "step", "reduce_on_plateau"
    ] = "constant"
    """The shape of the change."""
    decay_epochs: Positive | None = None
    """Epochs until the end value is reached; all of the training, or of its phase, when null."""
    end_factor: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The end value as a share of the start value."""
    warmup_epochs: Count = 0
    """Epochs of linear rise from zero before the change starts."""
    cooldown_epochs: Positive | None = added(default=None, neutral=None, active_for=("wsd",))
    """`wsd`: epochs of the fall at the end; a fifth of all when null, at least one."""
    drop_epochs: Positive = added(default=10, neutral=10, active_for=("step",))
    """`step`: epochs between two drops."""
    drop_factor: Annotated[float, Field(gt=0, lt=1)] = added(
        default=0.1, neutral=0.1, active_for=DROPPING
    )
    """`step`, `reduce_on_plateau`: what a drop multiplies the learning rate by."""
    patience: Positive = added(default=5, neutral=5, active_for=("reduce_on_plateau",))
    """`reduce_on_plateau`: epochs without improvement before a drop."""
    monitor: str = added(default="val_loss", neutral="val_loss", active_for=("reduce_on_plateau",))
    """`reduce_on_plateau`: the metric that must improve: `loss`, `accuracy`, or one that
    `trainer.early_stopping.monitor` takes."""
    min_delta: Annotated[float, Field(ge=0)] = added(
        default=0.0, neutral=0.0, active_for=("reduce_on_plateau",)
    )
    """`reduce_on_plateau`: the least change that counts as an improvement."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class EarlyStopping:
    """Stop when a validation metric no longer improves."""

    patience: Positive | None = None
    """Epochs without improvement that are waited for; null switches it off."""
    monitor: str = active_if("patience", "val_loss")
    """The metric that must improve: `val_loss`, `val_accuracy`, or `val_` and a name of
    `trainer.metrics`, which need not be listed there as well."""
    min_delta: Annotated[float, Field(ge=0)] = active_if("patience", 0.0)
    """The least change that counts as an improvement."""
    restore_best: bool = active_if("patience", True)
    """Whether the run ends with the weights of its best epoch."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainerConfig:
    """How the network is trained."""

    epochs: Positive = stopping_only(5)
    """Passes over the training images, at most."""
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 32
    """Images in a step."""
    optimizer: Optimizer = field(default_factory=Optimizer)
    """The optimizer."""
    clip_norm: int | float | None = added(default=None, neutral=None, identity=False, changes=True)
    """Norm to which the gradients together are scaled down where theirs is larger; null for off.
    The same value as `optimizer.params.global_clipnorm`."""
    schedule: Schedule = field(default_factory=Schedule)
    """The learning rate over time."""
    loss: str | None = added(default=None, neutral=None, changes=False)
    """The user's own loss of training, `package.module:function`, called with (y_true, y_pred);
    null for cross-entropy."""
    ema: Annotated[float, Field(gt=0, lt=1)] | None = added(
        default=None, neutral=None, changes=False
    )
    """Decay of an average of the weights over the steps, which is what is evaluated and stored;
    null for the weights themselves."""
    weight_averaging: Annotated[int, Field(ge=2)] | None = added(
        default=None, neutral=None, trajectory=False
    )
    """The last so many epochs whose mean weights are taken where validation prefers them to the
    weights that the run would end with; null for off."""
    label_smoothing: Fraction = added(default=0.0, neutral=0.0)
    """Share of each label that is spread evenly over all classes in the training loss."""
    class_weight: Literal["none", "balanced"] | dict[str, Weight] = added(
        default="none", neutral="none"
    )
    """How much each class counts in the training loss: `balanced`, or class (name or number) to
    weight; 1 for those that are left out."""
    metrics: Names = added(default=(), neutral=(), identity=False, changes=False)
    """Further metrics of the validation split after each epoch: names of `evaluation.named`, or the
    user's own, `package.module:function`, with `:min` or `:max` where its direction counts."""
    freeze: Annotated[float, Field(ge=0, le=1)] | Column = added(default="none", neutral="none")
    """Layers that are not trained: `backbone`, a share of its layers from the image on, all before
    the layer of that name, or `none`."""
    features: Literal["live", "cached"] = added(default="live", neutral="live")
    """`cached`: those of the frozen backbone are computed once, as for predicting, and the head is
    trained on them; `live`: anew in each step."""
    phases: tuple[dict[str, Any], ...] = added(default=(), neutral=(), changes=False)
    """What changes in the middle: a mapping each, of `epochs` or `first` and keys of `trainer`."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "float64"] = field(
        default="float32", metadata={"changes": False}
    )
    """Keras dtype policy of the layers."""
    stop_at_loss: Annotated[float, Field(ge=0)] | None = stopping_only(None)
    """Stop after the first epoch whose training loss is at or below this."""
    stop_at_accuracy: Annotated[float, Field(gt=0, le=1)] | None = stopping_only(None)
    """Stop after the first epoch whose training accuracy is at or above this."""
    stop_at: dict[str, float] | None = added(default=None, neutral=None, trajectory=False)
    """Stop after the first epoch in which a metric, such as `val_macro_f1`, has reached a value."""
    early_stopping: EarlyStopping = field(
        default_factory=EarlyStopping, metadata={"trajectory": False}
    )
    """Stop when a validation metric no longer improves."""
    threads: Annotated[int, Field(ge=0, le=1024)] = not_identity(0)
    """CPU threads of TensorFlow; 0 for all cores. Part of the environment."""
    deterministic: bool = not_identity(True)
    """Same command, same machine, same bits. Part of the environment."""
    steps_per_execution: Annotated[int, Field(ge=1, le=1_000_000)] | None = not_identity(None)
    """Steps in one call of TensorFlow; null for as many as a third of a second has room for."""
    progress: Literal["auto", "bar", "none"] = not_identity("auto")
    """The progress bar: `auto` shows it where the output is a terminal."""

    def __post_init__(self) -> None:
        """Let the norm of the gradients be one value, whichever of the two keys was typed.

        Raises:
            ConfigError: the two keys have different values.
        """
        value, params = _one_setting(
            "trainer.clip_norm", self.clip_norm, "global_clipnorm", self.optimizer.params
        )
        object.__setattr__(self, "clip_norm", value)
        if params is not self.optimizer.params:
            object.__setattr__(self, "optimizer", replace(self.optimizer, params=params))
        object.__setattr__(self, "freeze", _share(self.freeze))


def _share(freeze: Any) -> Any:
    """One spelling for each: `none` for 0, `backbone` for 1, a number for a text of one.

    Raises:
        ConfigError: no share.
    """
    value = from_text(freeze) if isinstance(freeze, str) else freeze
    if isinstance(value, bool) or not isinstance(value, int | float):
        return freeze
    if not 0 <= value <= 1:
        raise ConfigError(
            f"trainer.freeze={freeze} is no share of the layers: type a number from 0 to 1."
        )
    return {0.0: "none", 1.0: "backbone"}.get(float(value), float(value))


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Augment:
    """What is done to the training images at random, anew in each step; neutral is nothing."""

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    """Along which axis an image is mirrored, each with probability 1/2."""
    crop: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Largest shift along each axis, as a share of the side; what is missing is mirrored."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest rotation either way, in degrees."""
    zoom: Fraction = 0.0
    """Largest change of size either way, as a share."""
    color: Share = 0.0
    """Largest change of brightness, contrast and saturation either way, as a share."""
    randaugment: Annotated[int, Field(ge=0, le=10)] = 0
    """Operations of RandAugment that each image goes through, drawn anew for each; 0 for none."""
    magnitude: Annotated[float, Field(gt=0, le=1)] = active_if("randaugment", 0.3)
    """Strength of these operations, as a share of the strongest."""
    rules: AugmentRules = added(default=newest_number(AUGMENT), neutral=1, active_if="randaugment")
    """From which operations; the number says which version of them."""
    erasing: Share = 0.0
    """Probability that a rectangle of an image is filled with noise."""
    mixup: Alpha = 0.0
    """Images are blended in pairs, labels too, by a share from Beta(mixup, mixup); 0 for off."""
    cutmix: Alpha = 0.0
    """A rectangle of another image is pasted in, its area from Beta(cutmix, cutmix); 0 for off."""

    @property
    def is_on(self) -> bool:
        """Whether anything is done to the images."""
        return replace(self, magnitude=Augment.magnitude, rules=Augment.rules) != Augment()

    @property
    def mixes(self) -> bool:
        """Whether images and labels are made of two."""
        return bool(self.mixup or self.cutmix)


EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
"""The variable that `tracking.experiment` is by default."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Tracking:
    """Where runs are logged; no part of what an experiment is."""

    uri: str | None = None
    """MLflow tracking URI; MLFLOW_TRACKING_URI when null, else SQLite in `dir`."""
    experiment: Annotated[str, Field(min_length=1)] = "cnn_sweeps"
    """Name of the MLflow experiment; composed configs have MLFLOW_EXPERIMENT_NAME, if it is set."""
    dir: Home = Path("mlruns")
    """Folder of the local database, the artifacts and the studies."""
    log_model: bool | Literal["auto"] = added(default="auto", neutral=True)
    """Whether the trained model is stored with the run; `auto`: yes, but of the trials of a sweep
    that trained nothing, or whose model is larger than `trajectory.epoch_mb`, only with the
    winners."""
    figures: bool = True
    """Whether pictures of network, mistakes and data are made; learning curves always are."""
    tags: dict[str, str | int | float | bool] = field(default_factory=dict)
    """Further tags for every run; numbers and truth values are stored as text."""
    system_metrics: bool = added(default=False, neutral=False)
    """Whether MLflow's system metrics (processor, memory, disk, GPU) are logged."""
    patience: Annotated[float, Field(ge=0)] = added(default=300.0, neutral=300.0)
    """Seconds to wait for a database or a server that goes away in mid-run or in mid-sweep, the
    study's too; 0 gives up at once."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Trajectory:
    """What is kept of trainings, to go on from; no part of what an experiment is."""

    reuse: bool = True
    """Whether known epochs are read and new ones kept; else all are trained from scratch."""
    max_gb: Annotated[float, Field(gt=0)] = 5.0
    """Size of what is kept, in GB (10^9 bytes); what was not used for longest goes first."""
    epoch_mb: Annotated[float, Field(ge=0)] | None = added(default=20.0, neutral=None)
    """Size of an epoch's state in MB (10^6 bytes) beyond which only the last, best, marked and fork
    epochs keep theirs; null for no limit. Frozen variables, which are stored once, do not count."""
    keep_epochs: Numbers = added(default=(), neutral=())
    """Marked epochs: they keep their state, whatever its size."""
    store: Home | None = added(default=None, neutral=None)
    """Folder of epochs that others read and write as well, on a file system that all can reach."""
    audit: Share = added(default=0.0, neutral=0.0)
    """Share of the epochs read from `store` that are trained again and compared."""

    def __post_init__(self) -> None:
        """Refuse a setting that would have no effect.

        Raises:
            ConfigError: there is nothing to share, or nothing to audit.
        """
        if self.store is not None and not self.reuse:
            raise ConfigError(
                f"trajectory.store={self.store} has no effect with trajectory.reuse=false, which "
                "neither reads nor stores epochs: type one of them."
            )
        if self.audit and self.store is None:
            raise ConfigError(
                f"trajectory.audit={self.audit:g} has no effect without trajectory.store=FOLDER: "
                "it is a share of the epochs that are read from there."
            )


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Config:
    """One experiment, completely described."""

    model: Model
    """The network."""
    data: Data
    """The images."""
    trainer: TrainerConfig
    """How it is trained."""
    tracking: Tracking = field(metadata={"identity": False})
    """Where it is logged."""
    trajectory: Trajectory = field(default_factory=Trajectory, metadata={"identity": False})
    """What of its training is kept."""
    seed: Seed = 0
    """Start of every random choice in training: weights, order of images, dropout."""
    augment: Augment = added(default=Augment(), neutral=Augment())
    """What is done to the training images at random."""
    rules: SpellingRules = added(default=newest_number(SPELLING), neutral=1, identity=False)
    """How values are written that can be typed in several ways; the number says which version of
    that."""
