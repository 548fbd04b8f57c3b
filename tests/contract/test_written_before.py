"""What was written before modules moved into rooms is still read: see tests/data/written_before/README.md."""

import gzip
import shutil
import sqlite3
from pathlib import Path

import pytest

import crowdwatch
from crowdwatch.words import reason_text

BEFORE = Path(__file__).resolve().parents[1] / "data" / "written_before"
RUN = "synthetic-plaza-20261126T234537"


@pytest.fixture
def store_before(tmp_path):
    """The store as a file."""
    path = tmp_path / "before.sqlite"
    with sqlite3.connect(path) as store:
        store.executescript(gzip.decompress((BEFORE / "store.sql.gz").read_bytes()).decode())
    store.close()
    return path


def test_a_log_written_before_gives_the_readings_and_alerts_of_then(tmp_path, store_before):
    folder = tmp_path / "log"
    shutil.copytree(BEFORE / "log", folder)
    url = f"sqlite:///{tmp_path}/now.sqlite"
    summary = crowdwatch.replay_log(folder, crowdwatch.ReplayOptions(tmp_path, url))
    assert summary.digest[:16] == "d3b1ee21e5790d4f"  # of the two alerts
    store = crowdwatch.open_store(url)
    now = {(r.t_ns, r.zone_id): r for r in store.readings(summary.run.run_id)}
    store.close()
    with sqlite3.connect(store_before) as before:
        then = before.execute("select t_ns, zone_id, count, count_low, count_high, peak_p_m2 from readings").fetchall()
    before.close()
    assert len(then) == len(now) == 42
    for t_ns, zone_id, count, low, high, peak in then:
        reading = now[t_ns, zone_id]
        # what a view sees was a polygon then and is parts of cells now: counts are equal within 0.5 %
        assert reading.count == pytest.approx(count, rel=0.005, abs=0.05)
        assert reading.count_low == pytest.approx(low, rel=0.01, abs=0.1)
        assert reading.count_high == pytest.approx(high, rel=0.01, abs=0.1)
        assert reading.peak_p_m2 == pytest.approx(peak, rel=0.01, abs=0.01)


def test_a_store_written_before_is_read(store_before):
    """Its reasons were sentences: they are kept as they are, and shown as such."""
    store = crowdwatch.open_store(f"sqlite:///{store_before}")
    (run,) = store.runs()
    readings, alerts = store.readings(run.run_id), store.alerts(run.run_id)
    store.close()
    assert (run.run_id, len(readings)) == (RUN, 42)
    said = {reason_text("en", alert.reasons) for alert in alerts}
    assert said == {
        "density 0.55 p/m2, limit 0.5 p/m2 for 3 s",
        "density 0.92 p/m2, limit 0.8 p/m2 for 3 s",
    }
