"""Lists for analysts: runs, and the alerts of one, as a table that says whose it is."""

import csv
import io
import json
import sys
from contextlib import closing
from dataclasses import replace

import pytest
from scenes import T0, S, square

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.commands import cli
from crowdwatch.core.outcomes import AlarmState, AlertEvent, Level, Outcome
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import Mode, Run
from crowdwatch.drivers import build
from crowdwatch.rendering.alert_table import ALERT_COLUMNS

EVENT = config.load(example("new_year"))
STATES = AlarmState.NORMAL, AlarmState.UNACKNOWLEDGED
RAISED = AlertEvent(
    "id-1", "crowding", "promenade", T0 + 3 * S, "raised", *STATES, Level.ALERT, "density", 4.25, 4.0, "p/m2",
    (Reason.of(Code.TEXT, text="=2+2"),), "rule density alert",
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    run = Run("night-1", EVENT.id, Mode.REPLAY, EVENT.model_dump_json(), "", T0, T0 + 9 * S, T0)
    with closing(build.open_store(url)) as opened:
        opened.begin(run, new=True)
        late = replace(RAISED, event_id="id-2", t_ns=T0 + 6 * S, transition="cleared", value=float("nan"))
        for t_ns, alerts in ((T0 + 3 * S, (RAISED,)), (T0 + 6 * S, (late,))):
            opened.write(run.run_id, [Outcome(t_ns, (), None, alerts, (), ())])
    return url


@pytest.fixture
def said(monkeypatch, capsys):
    def call(*words, code=0):
        monkeypatch.setattr(sys, "argv", ["crowdwatch", *map(str, words)])
        got = 0
        try:
            cli.main()
        except SystemExit as end:
            got = end.code or 0
        out, err = capsys.readouterr()
        assert got == code, err
        return out if code == 0 else err

    return call


def test_runs_are_listed(store, said):
    (row,) = json.loads(said("runs", "--json", "--store", store))
    assert (row["run_id"], row["event_id"], row["time_zone"], row["alarms_raised"]) == (
        "night-1", EVENT.id, "Asia/Shanghai", 1,
    )  # fmt: skip
    assert "night-1" in said("runs", "--store", store)


@pytest.mark.parametrize("words", [["alerts", "night-1"], ["alerts", "list", "night-1"]])
def test_the_alerts_of_a_run_as_a_table(store, said, words):
    rows = list(csv.DictReader(io.StringIO(said(*words, "--csv", "--store", store))))
    assert tuple(rows[0]) == ALERT_COLUMNS
    first, last = rows
    assert (first["name_zh"], first["usable_area_m2"], first["kind"]) == ("滨水步道", "1824.00", "moving")
    assert (first["value"], first["limit"], first["unit"], last["value"]) == ("4.25", "4", "p/m2", "")
    assert first["t_local"].endswith("+08:00")
    assert first["reasons"] == "'=2+2", "a spreadsheet takes it for no formula"
    assert len(first["config_sha256"]) == 12
    assert "Promenade" in said(*words, "--store", store)


def test_a_run_that_is_not_there(store, said):
    assert "gone" in said("alerts", "gone", "--store", store, code=1)


def test_an_empty_table_has_its_heading(tmp_path):
    from crowdwatch.rendering.alert_table import write_alerts
    from crowdwatch.rendering.provenance import Provenance

    file = io.StringIO()
    assert write_alerts(file, [], square(), Provenance("r", "e")) == 0
    assert file.getvalue().strip() == ",".join(ALERT_COLUMNS)
