"""Which item each slot is for, stored with the study."""

import json

import pytest

from cnn_sweeps.sweeps.space.space import parse_space
from cnn_sweeps.sweeps.study.schedule import Item, Schedule

CONDITIONAL = parse_space(
    {
        "model.conv_blocks": "range(0,3)",
        "model.filters": {"sweep": "choice(4,8)", "when": {"model.conv_blocks": ">0"}},
        "model.dropout": "0.1,0.25",
    }
)


def test_cells_are_stored_by_their_labels() -> None:
    """Each cell comes back, inactive keys and floats included; a part of one by its keys."""
    cells = list(CONDITIONAL.cells())
    items = {slot: Item(cell=cell, trajectory="0a1b2c3d") for slot, cell in enumerate(cells, 3)}
    items |= {1: Item(), 2: Item(cell={"model.dropout": 0.1})}
    made = Schedule(items=items, ahead=6)
    stored = json.loads(json.dumps(made.to_json(CONDITIONAL)))
    assert stored["items"][0] == [3, [0, 0.1], "0a1b2c3d"]
    assert Schedule.from_json(stored, CONDITIONAL) == made


@pytest.mark.parametrize(("slot", "later"), [(7, 9), (3, 2), (9, None), (2, None), (100, None)])
def test_a_claim_brings_in_the_item_so_many_places_later(slot: int, later: int | None) -> None:
    """Places are those of the schedule, whatever the numbers of its slots."""
    made = Schedule(items=dict.fromkeys([7, 3, 9, 2], Item()), ahead=2)
    assert made.after(slot) == later
