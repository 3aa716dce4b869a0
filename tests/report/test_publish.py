"""The report of a sweep is written to its run, and again where there is something new."""

from pathlib import Path

import pytest
from fakes import score
from plans import FakeRun, study

from cnn_sweeps.report.publish import PAGE, publish
from cnn_sweeps.sweeps.study.attributes import PARENT
from cnn_sweeps.sweeps.study.study import SweepStudy
from cnn_sweeps.sweeps.workers.worker import Worker
from cnn_sweeps.tracking import Store
from cnn_sweeps.tracking.names import STUDY_NAME

MINE = "a page of mine"


def carry_out(made: SweepStudy, filters: int) -> None:
    """One more trial."""
    made.enqueue({"model.filters": filters, "model.conv_blocks": 1})
    Worker(study=made, execute=FakeRun(score)).work()


@pytest.fixture
def made(tmp_path: Path, store: Store) -> SweepStudy:
    """A study of one trial with a run of its sweep."""
    made = study(tmp_path)
    with store.start_run("sweep", tags={STUDY_NAME: "study"}) as parent:
        made.optuna_study.set_user_attr(PARENT, parent.run_id)
    carry_out(made, filters=4)
    return made


def test_a_report_of_the_same_is_left_as_it_is(made: SweepStudy, store: Store) -> None:
    """The second call writes nothing, and says where the report is."""
    place = publish(made, store)
    Path(place).write_text(MINE)
    assert publish(made, store) == place
    assert Path(place).read_text() == MINE


def test_a_further_trial_gives_another_report(made: SweepStudy, store: Store) -> None:
    """Whatever is read of study or runs."""
    place = Path(publish(made, store))
    place.write_text(MINE)
    carry_out(made, filters=8)
    publish(made, store)
    assert "model.filters=8" in place.read_text()


def test_a_report_that_was_deleted_is_written_again(made: SweepStudy, store: Store) -> None:
    """Its tag alone does not do."""
    place = Path(publish(made, store))
    place.unlink()
    publish(made, store)
    assert place.name == PAGE
    assert place.exists()
