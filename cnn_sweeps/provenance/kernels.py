"""Which of its two sets of kernels for processors TensorFlow uses: its own, or oneDNN's."""

import os
import platform
import sys
from typing import Final

ONEDNN: Final = "TF_ENABLE_ONEDNN_OPTS"
"""The variable that switches oneDNN's kernels on or off; read when TensorFlow is imported."""
DEFAULT: Final = "default"
"""The value of oneDNN's switch, unset or written out, that leaves the choice to TensorFlow."""
ON: Final = "1"
X86: Final = {"x86_64", "amd64"}
"""What a processor is called whose oneDNN kernels were measured."""


def choose_kernels() -> None:
    """Have TensorFlow use oneDNN's kernels, where nobody has said otherwise and it has not begun.

    By itself it does so only on processors with instructions for neural networks (AVX512-VNNI and
    later), but they are faster on the others too: by a fifth to a third for the networks of this
    package (docs/benchmarks.md). The processes that this one starts inherit the switch, also where
    TensorFlow was imported before and keeps to its own choice.
    """
    if ONEDNN not in os.environ:
        free = "tensorflow" not in sys.modules and platform.machine().lower() in X86
        os.environ[ONEDNN] = ON if free else DEFAULT
