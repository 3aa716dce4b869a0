"""GPUs as `nvidia-smi` lists them, and which of them a worker uses."""

import os
from pathlib import Path

import pytest
from cards import UUID, install

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.provenance import devices

MIG = """\
  MIG 3g.20gb     Device  0: (UUID: MIG-11111111-aaaa)
  MIG 1g.5gb      Device  1: (UUID: MIG-22222222-bbbb)"""


def numbers(visible: str | None, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The cards that may be used, by number."""
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    return [device.index for device in devices.usable()]


@pytest.mark.parametrize(
    ("visible", "usable"),
    [
        pytest.param(None, [0, 1, 2], id="all"),
        pytest.param("2,0", [2, 0], id="in this order"),
        pytest.param(UUID.format(1), [1], id="by UUID"),
        pytest.param("GPU-1000", [1], id="by its beginning"),
        pytest.param("", [], id="none"),
        pytest.param("-1", [], id="none, as CUDA has it"),
        pytest.param("0,7,1", [0], id="up to one that is not there"),
    ],
)
def test_which_cards_may_be_used(
    visible: str | None, usable: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As CUDA reads the variable, by the numbers of the PCI bus."""
    install(tmp_path, monkeypatch, "8000/0", "8000/0", "8000/0")
    assert numbers(visible, monkeypatch) == usable


def test_parts_of_a_card_are_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole one cannot be used; their memory is that of their profile."""
    install(tmp_path, monkeypatch, "40960/0", "81920/0", parts=MIG)
    found = devices.listed()
    assert [each.uuid for each in found] == [
        "MIG-11111111-aaaa",
        "MIG-22222222-bbbb",
        UUID.format(1),
    ]
    assert [each.total_mb for each in found] == [20480, 5120, 81920]
    assert [each.workers for each in found] == [4, 1, 4]
    devices.use(devices.check_there("MIG-22222222-bbbb"))
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "MIG-22222222-bbbb"
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize("answer", ["#!/bin/sh\nexit 9\n", "#!/bin/sh\necho nonsense\n"])
def test_a_driver_that_does_not_work_lists_nothing(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then workers are placed as on a machine without a GPU."""
    install(tmp_path, monkeypatch)
    (tmp_path / "bin" / "nvidia-smi").write_text(answer)
    assert devices.seats() == []


def test_workers_take_turns_as_far_as_memory_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that is full gets one, a large one no more than help; or as many as are asked for."""
    install(tmp_path, monkeypatch, "16384/8000", "16384/16000", "81920/0")
    assert [each.index for each in devices.seats()] == [0, 1, 2, 0, 2, 2, 2]
    assert [each.index for each in devices.seats(2)] == [0, 1, 2, 0, 1, 2]


def test_a_worker_has_its_card_inside_the_block_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher may run it in the process of the sweep."""
    install(tmp_path, monkeypatch, "8192/0", "8192/0")
    seats = devices.seats(1)
    with devices.using(3, seats):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == UUID.format(1)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with devices.using(3, []):
        assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_card_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With those that are."""
    install(tmp_path, monkeypatch, "8192/0")
    with pytest.raises(ConfigError, match=f'gpu="5": .*lists 0 \\({UUID.format(0)}\\)'):
        devices.check_there("5")
