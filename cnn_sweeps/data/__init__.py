"""Images from files: found, checked, divided.

Importing this package costs numpy and nothing more; scikit-learn, Pillow and the download
machinery are imported by the reader that needs them.
"""

from cnn_sweeps.data.dataset import Dataset
from cnn_sweeps.data.loading import as_read, load, load_cached, peek_classes, peek_shape

__all__ = ["Dataset", "as_read", "load", "load_cached", "peek_classes", "peek_shape"]
