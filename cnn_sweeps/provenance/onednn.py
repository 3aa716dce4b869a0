"""Whether TensorFlow takes the kernels of oneDNN, which can crash small residual networks.

They corrupt memory in convolutions of 8 filters (TensorFlow 2.21), and make others much faster.
"""

import os
from collections.abc import Mapping
from typing import Final

from cnn_sweeps.provenance.environment import ONEDNN, processor

WITHOUT: Final = f"{ONEDNN}=0"
"""What turns them off, typed in front of a command."""
BY_DEFAULT: Final = frozenset(
    {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
)
"""TensorFlow takes them by itself where the processor has one of these."""
SWITCH: Final = {"0": False, "false": False, "1": True, "true": True}


def is_on(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a TensorFlow that starts with these variables takes oneDNN's kernels."""
    typed = SWITCH.get(environ.get(ONEDNN, "").lower())
    return not BY_DEFAULT.isdisjoint(processor()[1]) if typed is None else typed
