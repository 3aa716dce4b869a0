"""The published data sets: what they hold, how to know them, where to get them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cnn_sweeps.data.arrays import Shape
from cnn_sweeps.data.readers import cifar

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """One published data set.

    Attributes:
        title: its name, for a person.
        shape: height, width and channels of an image.
        class_names: names of the classes, in the order of the labels.
        folders: sub-folders that it is looked for in, below a folder of data sets.
        form: how its files are read.
        files: name of each file, and the digest of its content *unzipped*, so that an
            archive that was packed anew is known all the same.
        algorithm: of these digests; MD5 is what CIFAR-10's batches were published with.
        archives: files that hold all the others, looked for in the same folders.
        downloads: name of each file to download and its SHA-256.
        mirrors: beginnings of URLs to download them from, tried in turn.
    """

    title: str
    shape: Shape
    class_names: tuple[str, ...]
    folders: tuple[str, ...]
    form: Literal["idx", "cifar"]
    files: Mapping[str, str]
    algorithm: Literal["sha256", "md5"] = "sha256"
    archives: tuple[str, ...] = ()
    downloads: Mapping[str, str] = field(default_factory=dict)
    mirrors: tuple[str, ...] = ()


def _idx(*digests: str, suffix: str = "") -> dict[str, str]:
    """The four IDX files with their digests."""
    return {name + suffix: digest for name, digest in zip(IDX_FILES, digests, strict=True)}


# Content digests: computed from files whose MD5 is the published one. Archive digests: as
# given by TensorFlow Datasets and Keras.
FASHION_MNIST = Published(
    title="Fashion-MNIST",
    shape=(28, 28, 1),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    folders=("fashion_mnist", "fashion-mnist", "FashionMNIST/raw"),
    form="idx",
    files=_idx(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    downloads=_idx(
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        suffix=".gz",
    ),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
)

MNIST = Published(
    title="MNIST",
    shape=(28, 28, 1),
    class_names=tuple("0123456789"),
    folders=("mnist", "MNIST/raw"),
    form="idx",
    files=_idx(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    archives=("mnist.npz",),
    downloads=_idx(
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        suffix=".gz",
    ),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
)

CIFAR10 = Published(
    title="CIFAR-10",
    shape=cifar.SHAPE,
    class_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    folders=(
        "cifar10",
        "cifar-10",
        "cifar-10-batches-py",
        "cifar10/cifar-10-batches-py",
        "cifar-10-batches-py-target/cifar-10-batches-py",
    ),
    form="cifar",
    files={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    algorithm="md5",
    archives=(
        "cifar-10-python.tar.gz",
        "cifar-10-batches-py.tar.gz",
        "cifar-10-batches-py-target_archive",
    ),
    downloads={
        "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    },
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
)

PUBLISHED: dict[str, Published] = {
    "fashion_mnist": FASHION_MNIST,
    "mnist": MNIST,
    "cifar10": CIFAR10,
}
