"""Images from files: found, checked, divided.

Importing this package costs numpy and nothing more; scikit-learn, Pillow and the download
machinery are imported by the reader that needs them.
"""

from cnn_sweeps.data.dataset import Dataset, Facts
from cnn_sweeps.data.loading import as_read, load
from cnn_sweeps.data.memory_cache import load_cached, look_again
from cnn_sweeps.data.readers import check_there, peek_classes, peek_shape

__all__ = [
    "Dataset",
    "Facts",
    "as_read",
    "check_there",
    "load",
    "load_cached",
    "look_again",
    "peek_classes",
    "peek_shape",
]
