"""MLflow's system metrics of a run."""

import pytest
from waiting import until

from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.system_metrics import logged_system_metrics


@pytest.mark.parametrize("wanted", [True, False])
def test_the_machine_is_measured_where_that_is_wanted(
    wanted: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the store of the run, whatever MLflow's own address is; else nothing is logged."""
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    with store.start_run("run", tags={}) as run, logged_system_metrics(run, wanted=wanted):
        if wanted:
            until(lambda: store.get(run.run_id).metrics, pause=0.05)
    logged = store.get(run.run_id).metrics
    assert any(name.startswith("system/") for name in logged) == wanted
