"""Nobody is identified: no number of a track leaves the memory of the fold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crowdwatch.analytics.coverage import view_site
from crowdwatch.analytics.engine import advance, start
from crowdwatch.core import movement, outcomes, records
from crowdwatch.core.records import Tick
from crowdwatch.core.runs import Mode, Run
from crowdwatch.rendering.gate_table import DIGITS
from crowdwatch.store import columns, flow_columns, tables
from crowdwatch.store.sql import SqlStore
from tests.scenes import T0, S, see
from tests.unit.test_gates import GATE, site

WORDS = ("track", "person_id", "identity", "walker", "followed")


def _names() -> set[str]:
    """Every name of a field that the log, the store, an outcome or the table of gates has."""
    found = {f"{table.name}.{column.name}" for table in tables.METADATA.sorted_tables for column in table.columns}
    found |= set(DIGITS)
    for room in (movement, outcomes, records):
        for noun in vars(room).values():
            found |= {f"{noun.__name__}.{name}" for name in getattr(noun, "__dataclass_fields__", {})}
    for module in (columns, flow_columns):
        for schema in vars(module).values():
            found |= set(getattr(schema, "names", ()) or ())
    return found


def test_no_field_is_named_after_a_track() -> None:
    names = _names()
    assert "gate_readings.ingress_total" in names
    assert not {name for name in names if any(word in name.lower() for word in WORDS)}


def test_numbers_of_tracks_reach_neither_outcome_nor_store(tmp_path: Path) -> None:
    """Tracks are given numbers that nothing else has; nothing that leaves the fold holds one."""
    state = start(view_site(site(GATE)))
    mark = 987_654_321_000
    store = SqlStore(f"sqlite:///{tmp_path}/crowd.sqlite")
    store.begin(Run("r", "square", Mode.REPLAY, "{}", str(tmp_path), T0, T0 + 20 * S, 0))
    for frame in range(40):
        one = see(T0 + frame * S // 5, np.array([[0.5, 1.2 * frame / 5]]))
        state, _ = advance(state, one)
        state, outcome = advance(state, Tick(one.t_ns, (one.stamp.id,)))
        assert outcome is not None
        assert str(mark) not in repr(outcome)
        store.write("r", [outcome])
        if frame == 2:
            assert state.gates is not None
            tracks = state.gates.cameras["c"].tracks
            tracks.number[:] += mark  # the fold goes on with these
    assert state.gates is not None
    assert (state.gates.cameras["c"].tracks.number >= mark).any()
    assert state.gates.totals[0].tolist() == [1, 0]
    assert store.gate_readings("r")[-1].ingress_total == 1
    assert store.occupancy("r") != []
    store.close()
    assert str(mark).encode() not in (tmp_path / "crowd.sqlite").read_bytes()
