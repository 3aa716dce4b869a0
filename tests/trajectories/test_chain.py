"""The segments of a training, stored by themselves and read as one."""

from pathlib import Path

from formulas import Formula, expected

from cnn_sweeps.trajectories.chain import Chain
from cnn_sweeps.trajectories.entry import Entry


def chain(folder: Path, *firsts: int, own: str = "") -> Chain:
    """A training whose segments begin with these epochs; the first one is shared by all."""
    entries = [Entry(folder / "1" / "environment")]
    return Chain((*entries, *(Entry(folder / f"{own}{n}" / "environment", n) for n in firsts)))


def test_an_epoch_is_stored_with_its_segment(tmp_path: Path) -> None:
    """Their numbers go on from one to the next."""
    from cnn_sweeps.trajectories.resume import ResumedTraining

    whole = chain(tmp_path, 3, 4)
    with ResumedTraining(trainer=Formula(), entry=whole, run_id="run") as walk:  # type: ignore[arg-type]
        losses = [epoch.loss for _, epoch in zip(range(6), walk.epochs(), strict=False)]
    assert losses == expected(6)[0]
    assert [[one.number for one in entry.history()] for entry in whole.entries] == [
        [1, 2],
        [3],
        [4, 5, 6],
    ]
    assert [one.epoch.loss for one in whole.history()] == losses
    assert [entry.verify() for entry in whole.entries] == [{}, {}, {}]
    assert whole.nearest_state(6) == 6
    assert whole.nearest_state(2) == 2


def test_history_ends_where_a_segment_is_not_known_to_its_end(tmp_path: Path) -> None:
    """What is known behind a gap cannot be gone on with."""
    known = chain(tmp_path, 3)
    for number in (1, 2):
        trained(known, number)
    later = chain(tmp_path, 4)
    assert [one.number for one in later.history()] == [1, 2]
    assert [one.number for one in chain(tmp_path, 2).history()] == [1]


def trained(known: Chain, epochs: int) -> Formula:
    """Train so many epochs of it."""
    from cnn_sweeps.trajectories.resume import ResumedTraining

    trainer = Formula()
    with ResumedTraining(trainer=trainer, entry=known, run_id="run") as walk:  # type: ignore[arg-type]
        for _ in zip(range(epochs), walk.epochs(), strict=False):
            pass
    return trainer


def test_whoever_leaves_a_segment_lets_others_go_on_with_it(tmp_path: Path) -> None:
    """Two at once that share their first epochs train each of them once."""
    from cnn_sweeps.trajectories.resume import ResumedTraining

    early, late = Formula(), Formula()
    with (
        ResumedTraining(trainer=early, entry=chain(tmp_path, 3, own="a"), run_id="a") as first,  # type: ignore[arg-type]
        ResumedTraining(trainer=late, entry=chain(tmp_path, 6, own="b"), run_id="b") as second,  # type: ignore[arg-type]
    ):
        leaving, staying = first.epochs(), second.epochs()
        for _ in range(3):
            next(leaving)
        losses = [next(staying).loss for _ in range(7)]
        next(leaving)
    assert losses == expected(7)[0]
    assert (early.done, late.done) == ([1, 2, 3, 4], [3, 4, 5, 6, 7])


def test_what_is_begun_with_is_kept_when_files_are_tidied(tmp_path: Path) -> None:
    """However long ago it was trained."""
    known = chain(tmp_path, 3)
    trained(known, 3)
    trained(Chain(known.entries[:1]), 9)
    root = known.entries[0]
    root.prune()
    kept = [one.number for one in root.history() if one.optimizer]
    assert kept == [2, 8, 9]
    assert known.nearest_state(2) == 2
    assert trained(chain(tmp_path, 3, own="other"), 4).done == [3, 4]
