"""What every worker needs, imported once into the process they are all forked from.

Importing this module takes seconds; a process forked from one that has imported it starts in
hundredths of a second. TensorFlow must only be imported here, not started: a started
TensorFlow does not survive a fork.
"""

import gc
import os

from cnn_sweeps.tracking.imports import without
from cnn_sweeps.training.backend import quiet_stderr

UNUSED = ("sklearn", "matplotlib.pyplot", "IPython")
"""What Keras imports where it is installed, for no training; it takes a tenth of the time."""

os.environ["MPLBACKEND"] = "agg"  # of a notebook that sweeps, only the kernel shows pictures

gc.disable()  # nothing that is imported is garbage
with quiet_stderr():
    with without(*UNUSED):
        import keras  # noqa: F401 -- all of these for their effect
    import cnn_sweeps.runs.run
    import cnn_sweeps.sweeps.workers.worker
    import cnn_sweeps.tracking.preload  # noqa: F401 -- as above
    from cnn_sweeps import figures
    from cnn_sweeps.provenance import code

    figures.warm_up()
    code.import_all()
gc.freeze()  # nor in the processes below this one, which would copy what is searched
gc.enable()
