"""Which item each slot is for, stored with the study."""

import json

import pytest

from cnn_sweeps.sweeps.space.space import parse_space
from cnn_sweeps.sweeps.study.attributes import SCHEDULE
from cnn_sweeps.sweeps.study.schedule import Item, Schedule, in_parts, of_parts

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


@pytest.mark.parametrize("slots", [0, 1, 40])
def test_a_database_with_short_attributes_has_it_in_several(slots: int) -> None:
    """What a longer one has left there is not read; elsewhere, and where it fits, it is in one."""
    items = {slot: Item(cell={"model.dropout": 0.1 + slot % 2}) for slot in range(slots)}
    plain = Schedule(items=items, ahead=6).to_json(CONDITIONAL)
    assert in_parts(plain, None) == {SCHEDULE: plain}
    parts = in_parts(plain, 300)
    assert max(len(json.dumps(part)) for part in parts.values()) < 350
    assert (len(parts) > 1) == (slots > 1)
    earlier = in_parts(Schedule(items=dict.fromkeys(range(1000), Item())).to_json(CONDITIONAL), 300)
    stored = of_parts({**earlier, **json.loads(json.dumps(parts))})
    assert stored is not None
    assert Schedule.from_json(stored, CONDITIONAL) == Schedule.from_json(plain, CONDITIONAL)
    assert of_parts({}) is None


@pytest.mark.parametrize(("slot", "later"), [(7, 9), (3, 2), (9, None), (2, None), (100, None)])
def test_a_claim_brings_in_the_item_so_many_places_later(slot: int, later: int | None) -> None:
    """Places are those of the schedule, whatever the numbers of its slots."""
    made = Schedule(items=dict.fromkeys([7, 3, 9, 2], Item()), ahead=2)
    assert made.after(slot) == later
