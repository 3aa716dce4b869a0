"""The GPUs of this machine that a process may use, as `nvidia-smi` lists them.

A card that is divided (MIG) counts as its parts, since TensorFlow can use nothing else of it.
Numbers are those of the PCI bus everywhere: CUDA would put the fastest card first.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.text.argument_names import option

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
ORDER: Final = "CUDA_DEVICE_ORDER"
BY_BUS: Final = "PCI_BUS_ID"
QUERY: Final = "index,uuid,memory.total,memory.used,name"
MIG: Final = re.compile(r"\s+MIG \S*?(\d+)gb\S*\s.*\(UUID: (MIG-[^)\s]+)\)")
CARD: Final = re.compile(r"GPU \d+: .*\(UUID: (GPU-[^)\s]+)\)")
SECONDS: Final = 20.0
"""For `nvidia-smi` to answer; a broken driver lets it hang."""
WORKER_MB: Final = 4096
"""Memory of a GPU that a worker with a small network is given: CUDA, its libraries, and room."""
MOST_WORKERS: Final = 4
"""Workers on one GPU unless more are asked for: they take turns at it."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU, or a part of one.

    Attributes:
        index: its number on the PCI bus, and that of its card for a part.
        uuid: what names it anywhere: `GPU-...` or `MIG-...`.
        title: what it is, for a person.
        total_mb: its memory, in MiB.
        free_mb: what of it nobody uses.
    """

    index: int
    uuid: str
    title: str
    total_mb: int
    free_mb: int

    @property
    def workers(self) -> int:
        """How many workers it has memory for."""
        return max(1, min(MOST_WORKERS, self.free_mb // WORKER_MB))

    def answers_to(self, name: str) -> bool:
        """Whether an entry of CUDA_VISIBLE_DEVICES means it: a number, or how its UUID begins."""
        if name.isdecimal():
            return int(name) == self.index
        return len(name) > len("GPU-") and self.uuid.startswith(name)


def listed() -> list[Device]:
    """Every GPU of the machine, whether or not this process may use it; none without a driver."""
    cards = {}
    for line in _asked("--query-gpu=" + QUERY, "--format=csv,noheader,nounits").splitlines():
        fields = [part.strip() for part in line.split(",", 4)]
        with suppress(ValueError):  # "[N/A]" of a card that is divided, or has failed
            index, uuid, total, used, title = fields
            cards[uuid] = Device(
                index=int(index),
                uuid=uuid,
                title=title,
                total_mb=_number(total),
                free_mb=_number(total) - _number(used),
            )
    parts = _parts(cards)
    return [device for uuid, card in cards.items() for device in parts.get(uuid) or [card]]


def usable() -> list[Device]:
    """The GPUs that this process may use, in the order of CUDA_VISIBLE_DEVICES."""
    visible, found = os.environ.get(VISIBLE), listed()
    if visible is None:
        return found
    chosen: list[Device] = []
    for name in map(str.strip, visible.split(",")):
        meant = [device for device in found if device.answers_to(name)]
        if not meant:  # as CUDA has it: what follows a name that is none does not count
            break
        chosen += meant[:1]
    return chosen


def seats(per_gpu: int | None = None) -> list[Device]:
    """The GPU of each worker by its number: all of them in turn, as often as each has room.

    Args:
        per_gpu: workers on each GPU; as many as have memory when None.
    """
    found = usable()
    most = {device.uuid: per_gpu or device.workers for device in found}
    rounds = range(max(most.values(), default=0))
    return [device for number in rounds for device in found if number < most[device.uuid]]


def check_there(name: str) -> Device:
    """The GPU of that number or UUID.

    Raises:
        ConfigError: there is none.
    """
    found = listed()
    meant = [device for device in found if device.answers_to(name)]
    if not meant:
        known = ", ".join(f"{each.index} ({each.uuid})" for each in found) or "no GPU"
        raise ConfigError(
            f"{option('gpu', name)}: there is no such GPU here; nvidia-smi lists {known}.\n"
            f"  Type one of them, or leave {option('gpu')} out."
        )
    return meant[0]


def use(device: Device) -> None:
    """Let this process, and those that it starts, use no other GPU; before TensorFlow starts."""
    os.environ[VISIBLE] = device.uuid
    os.environ.setdefault(ORDER, BY_BUS)


@contextmanager
def using(number: int, among: list[Device]) -> Iterator[None]:
    """Use the GPU of a worker inside the block: one of these in turn, where there are any.

    Args:
        number: of the worker, from 0.
        among: the GPUs.
    """
    before = {name: os.environ.get(name) for name in (VISIBLE, ORDER)}
    if among:
        use(among[number % len(among)])
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _parts(cards: dict[str, Device]) -> dict[str, list[Device]]:
    """The parts of each card that is divided, by its UUID, with the memory of their profile."""
    parts: dict[str, list[Device]] = {}
    card: Device | None = None
    for line in _asked("-L").splitlines():
        if named := CARD.match(line):
            card = cards.get(named[1])
        elif (part := MIG.match(line)) and card is not None:
            memory = int(part[1]) * 1024
            title = f"{card.title}, {line.strip().partition(' Device')[0]}"
            parts.setdefault(card.uuid, []).append(
                Device(index=card.index, uuid=part[2], title=title, total_mb=memory, free_mb=memory)
            )
    return parts


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _asked(*arguments: str) -> str:
    """What `nvidia-smi` answers; nothing where it is not there, fails or hangs."""
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(  # noqa: S603 -- our own words
            ["nvidia-smi", *arguments],  # noqa: S607 -- wherever the driver has put it
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        ).stdout
    return ""
