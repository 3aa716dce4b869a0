"""What cannot be done again is refused before anything is trained."""

from typing import Any

import pytest
from configs import config
from records import DIGEST, epochs, record
from requests.exceptions import ConnectionError as NoConnection
from stores import Finished

from cnn_sweeps.config.schema import Tracking
from cnn_sweeps.errors import ConfigError, RecordError
from cnn_sweeps.provenance.identity import identify
from cnn_sweeps.runs.fork import fork
from cnn_sweeps.runs.recorded import lookup
from cnn_sweeps.runs.recorded.verdict import IDENTICAL
from cnn_sweeps.runs.reproduce import reproduce
from cnn_sweeps.runs.run import run
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import REPRODUCTION_VERDICT
from cnn_sweeps.training import freezing


def test_what_a_callback_stopped_is_refused() -> None:
    """Without the callback the training would go on, and be called a different one."""
    asked = config(trainer={"epochs": 5})
    cut = record(config=asked, identity=identify(asked, DIGEST), epochs=epochs(1.0, 0.9))
    with pytest.raises(RecordError, match="stopped by a callback after epoch 2 of 5"):
        reproduce(cut, Tracking())


def test_a_verdict_waits_for_a_server_that_is_away(
    home: Store, finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training has ended, and would be lost."""
    run_id, refused = finished.result.run_id, list[str]()
    monkeypatch.setattr("cnn_sweeps.runs.reproduce._trained", lambda known, *_: known)
    client = home.client._tracking_client
    log = client.log_batch

    def away_once(*args: Any, **options: Any) -> Any:
        if not refused:
            refused.append("once")
            raise NoConnection("Connection refused")
        return log(*args, **options)

    monkeypatch.setattr(client, "log_batch", away_once)
    record = lookup.record_of(home, home.get(run_id))
    with pytest.warns(UserWarning, match="Waiting for up to|Back after"):
        assert reproduce(record, Tracking(dir=home.dir), home).verdict.kind == IDENTICAL
    assert home.get(run_id).tags[REPRODUCTION_VERDICT] == IDENTICAL


def test_what_was_frozen_without_effect_is_done_again_and_taken_up(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version trained it; who types it is refused."""
    store = Store.open(tracking)
    asked = config(trainer={"freeze": 0.01}, tracking={"figures": False, "log_model": False})
    with pytest.raises(ConfigError, match="freezes nothing"):
        run(asked, store)
    with monkeypatch.context() as earlier:
        earlier.setattr(freezing, "check_layer", lambda *_: None)
        found = lookup.record_of(store, store.get(run(asked, store).run_id))
    with pytest.warns(UserWarning, match="trainer.freeze=0.01 freezes nothing"):
        assert reproduce(found, tracking, store).verdict.kind == IDENTICAL
    taken_up = fork(found, None, ["trainer.epochs=2"], tracking).config
    with pytest.warns(UserWarning, match="trainer.freeze=0.01 freezes nothing"):
        run(taken_up, store, recorded=found.config)
    typed = fork(found, None, ["trainer.epochs=2", "trainer.freeze=0.02"], tracking).config
    with pytest.raises(ConfigError, match="freeze=0.02 freezes nothing"):
        run(typed, store, recorded=found.config)
