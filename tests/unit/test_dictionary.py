"""One text for what a column means: in the documents, in Parquet files, and for every column that is written."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crowdwatch.rendering.alert_table import ALERT_COLUMNS
from crowdwatch.rendering.flow_product import COLUMNS, FLOW
from crowdwatch.rendering.gate_table import GATE_COLUMNS
from crowdwatch.rendering.products import MAPS, MINUTES
from crowdwatch.store.columns import OBSERVATIONS, TIMELINE, timeline_table, write_parquet
from crowdwatch.store.dictionary import KEY, TABLES, described, markdown

DATA = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")


@pytest.mark.parametrize("table", TABLES)
def test_the_document_has_the_same_text(table):
    assert markdown(table) in DATA


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ("observations", OBSERVATIONS.names),
        ("timeline", TIMELINE.names),
        ("heatmap_minutes", MINUTES.names),
        ("heatmap_maps", MAPS.names),
        ("alerts", list(ALERT_COLUMNS)),
        ("gates", ["run_id", "event_id", "config_sha256", "time_zone", *GATE_COLUMNS]),
        ("movement", list(COLUMNS)),
        ("flow", FLOW.names),
    ],
)
def test_every_column_is_described_and_no_other(table, names):
    assert set(TABLES[table]) == set(names)
    assert json.loads(described(names)[KEY]) == {name: TABLES[table][name] for name in names}


def test_a_parquet_file_says_what_its_columns_mean(tmp_path):
    path = tmp_path / "part.parquet"
    with path.open("wb") as file:
        write_parquet(timeline_table([{"log_seq": 0, "kind": "tick", "t_ns": 5}]), file, {"a": "b"})
    metadata = pq.read_metadata(path).metadata
    assert json.loads(metadata[KEY.encode()]) == TABLES["timeline"]
    assert metadata[b"a"] == b"b"


def test_a_column_that_nobody_described_stops_no_log():
    assert "new" not in json.loads(described([*TIMELINE.names, "new"])[KEY])


def test_minutes_have_a_timestamp():
    assert MINUTES.field("t").type == pa.timestamp("ns", tz="UTC")
