"""What lies beside an exported network: a model card, and a script that uses it.

The card follows Mitchell et al., Model Cards for Model Reporting, arXiv 1810.03993.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cnn_sweeps.config.schema import Resize, own_network
from cnn_sweeps.data import Dataset
from cnn_sweeps.data.arrays import DEEPEST
from cnn_sweeps.evaluation.evaluation import Evaluation
from cnn_sweeps.models.names import title
from cnn_sweeps.models.network import Shape
from cnn_sweeps.runs.recorded.record import Record
from cnn_sweeps.text.markdown import plain_text


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What runs a file with a network.

    Attributes:
        imports: the line that imports it.
        model: an expression for the network, whose file is `here / ...`.
        scores: the line that takes `scores`, (classes,), from what it gives for `pixels`.
    """

    imports: str
    model: str
    scores: str


RUNTIMES: Final = {
    "model.keras": Runtime(
        imports="import keras",
        model='keras.saving.load_model(here / "model.keras")',
        scores="(scores,) = model.predict(pixels, verbose=0)",
    ),
    "savedmodel": Runtime(
        imports="import tensorflow as tf",
        model='tf.saved_model.load(str(here / "savedmodel"))',
        scores="(scores,) = model.serve(pixels).numpy()",
    ),
    "model.tflite": Runtime(
        imports="from ai_edge_litert.interpreter import Interpreter",
        model='Interpreter(str(here / "model.tflite")).get_signature_runner()',
        scores="((scores,),) = model(image=pixels).values()",
    ),
}
"""By the name of the file."""
RESIZING: Final[Mapping[Resize, str]] = {
    "stretch": "picture.resize({size}, Image.Resampling.BILINEAR)",
    "crop": "ImageOps.fit(picture, {size}, Image.Resampling.BILINEAR)",
    "pad": "ImageOps.pad(picture, {size}, Image.Resampling.BILINEAR)",
}
"""How a picture is brought to size, as `data.readers.picture` does it."""

CARD: Final = """\
# {name}

An image classifier: {network}, trained by {program}.

## Use

    pip install -r requirements.txt
    python predict.py PICTURE ...

`{file}` takes images of shape (n, {shape[0]}, {shape[1]}, {shape[2]}), float32, from 0 to 255 or
divided by 255, and returns a probability for each class. `model.json` has the names of the
classes in that order. `predict.py` brings a picture to size as in training.

## Data

- {data}: {counted} images, {classes} classes.
- Classes: {names}.
- SHA-256 of the data: `{digest}`.
{notices}
## Metrics

On the {images:,} test images, which were not used to choose or train the network.
Intervals are 95 % bootstrap intervals over images.

{overall}
{by_class}
The probabilities of this file and those of the original differ by at most {apart:.2g} on the
test images.

## Limits

- It knows the classes above and nothing else: a picture of anything gets one of them.
- The metrics hold for pictures like those of the test split.
- One training with one seed: another seed gives another network.

## Origin

- Config hash: `{config_hash}`.
- MLflow run: `{run_id}`.
- Weights: `{weights}`.
"""


def script(file: str, shape: Shape, resize: Resize = "stretch", white: int = DEEPEST) -> str:
    """A program that names the class of pictures; it needs requirements.txt and nothing else.

    Args:
        file: the network, as it is called in the folder.
        shape: height, width and channels of an image.
        resize: what becomes of a picture of another aspect ratio.
        white: the value that is white in a picture of 16-bit gray.
    """
    runtime, (height, width, channels) = RUNTIMES[file], shape
    imports = (runtime.imports, "import numpy as np", "from PIL import Image, ImageOps")
    ordered = sorted(imports, key=lambda line: (line.startswith("from"), line.lower()))
    newline, mode = "\n", "L" if channels == 1 else "RGB"
    return f'''"""Classes of pictures: python predict.py PICTURE ..."""

import json
import sys
from pathlib import Path

{newline.join(ordered)}

here = Path(__file__).parent
names = json.loads((here / "model.json").read_text(encoding="utf-8"))["class_names"]
model = {runtime.model}
unreadable = 0
for file in sys.argv[1:]:
    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened)
    except Exception as error:  # damaged files raise many kinds
        print(f"{{file}} cannot be read: {{error}}", file=sys.stderr)
        unreadable += 1
        continue
    if picture.mode.startswith("I"):  # 16 bits
        gray = np.asarray(picture).clip(0, {white}) / {white}
        picture = Image.fromarray((gray * 255).round().astype("uint8"))
    white = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(white, picture.convert("RGBA")).convert("{mode}")
    picture = {RESIZING[resize].format(size=(width, height))}
    pixels = np.asarray(picture, "float32").reshape(1, {height}, {width}, {channels})
    {runtime.scores}
    print(f"{{file}}: {{names[scores.argmax()]}} {{scores.max():.1%}}")
sys.exit(unreadable > 0)
'''


def text(record: Record, data: Dataset, evaluation: Evaluation, file: str, apart: float) -> str:
    """The card, in Markdown.

    Args:
        record: the run.
        data: its images.
        evaluation: of the exported network on the test images.
        file: the network, as it is called in the folder.
        apart: largest difference of its probabilities from those of the original.
    """
    model, packages = record.config.model, record.environment.packages
    custom = own_network(model)
    own = f" of the function `{custom.function}`" if custom else ""
    counts = {split: sum(each) for split, each in data.images_per_class.items()}
    return CARD.format(
        name=plain_text(record.name),
        network=title(model) + own,
        program=f"cnn-sweeps {packages.get('cnn-sweeps', '')}".rstrip(),
        file=file,
        shape=data.shape,
        data=plain_text(data.name),
        counted=", ".join(f"{count:,} {split}" for split, count in counts.items()),
        classes=len(data.class_names),
        names=", ".join(map(plain_text, data.class_names)),
        digest=record.identity.data_digest,
        notices="".join(f"- {plain_text(each)}\n" for each in data.notices),
        images=evaluation.images,
        overall=evaluation.overall_table().to_markdown(),
        by_class=evaluation.class_table().to_markdown(),
        apart=apart,
        config_hash=record.identity.config_hash,
        run_id=record.run_id,
        weights=record.weights_sha256,
    )
