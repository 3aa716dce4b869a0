"""Looking at the studies of a folder."""

from pathlib import Path

from plans import study

from cnn_sweeps.provenance.process import Owner
from cnn_sweeps.sweeps.study.recovery import Look, examine_journals


def test_trials_of_dead_workers_are_told_from_those_that_live(tmp_path: Path) -> None:
    """By the process that owns each; nothing is written."""
    made = study(tmp_path)
    for _ in range(3):
        made.enqueue()
    made.claim(Owner.here())
    made.claim(Owner(host=Owner.here().host, pid=2**22 + 1, started="1"))
    before = (tmp_path / "study.journal").read_bytes()
    assert examine_journals(tmp_path) == [Look(name="study", orphans=1, running=1, waiting=1)]
    assert (tmp_path / "study.journal").read_bytes() == before


def test_a_journal_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """With the reason that a sweep would give."""
    (tmp_path / "broken.journal").write_text("no entry\n")
    (seen,) = examine_journals(tmp_path)
    assert "its line 1 is damaged" in str(seen.refusal)


def test_where_no_study_is_there_is_nothing_to_see(tmp_path: Path) -> None:
    """The folder need not exist."""
    assert examine_journals(tmp_path / "nowhere") == []
