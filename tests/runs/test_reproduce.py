"""What cannot be done again is refused before anything is trained."""

import pytest
from configs import config
from records import DIGEST, epochs, record

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import RecordError
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.reproduce import reproduce


def test_what_a_callback_stopped_is_refused() -> None:
    """Without the callback the training would go on, and be called a different one."""
    asked = config(trainer={"epochs": 5})
    cut = record(config=asked, identity=identify(asked, DIGEST), epochs=epochs(1.0, 0.9))
    with pytest.raises(RecordError, match="stopped by a callback after epoch 2 of 5"):
        reproduce(cut, Tracking())
