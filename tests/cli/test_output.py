"""What is printed before and after a run, whatever it was."""

import pytest

from cnn_sweeps.cli import output


@pytest.mark.parametrize(
    ("free", "workers", "said"),
    [
        pytest.param(450e6, True, "training takes 900 MB or more", id="sweep"),
        pytest.param(
            700e6, True, "hydra.sweeper.n_jobs=0 needs 600 MB", id="sweep-without-workers"
        ),
        pytest.param(450e6, False, "training takes 600 MB or more", id="run"),
        pytest.param(700e6, False, "", id="enough"),
        pytest.param(None, True, "", id="unknown"),
    ],
)
def test_little_memory_is_told_beforehand(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    free: float | None,
    workers: bool,
    said: str,
) -> None:
    """The system would end the program without a word."""
    monkeypatch.setattr(output.free_memory, "free_bytes", lambda: free)
    output.warn_of_little_memory(workers=workers)
    told = capsys.readouterr().err
    assert said in told
    assert bool(told) == bool(said)
