"""What a run says of itself in the end: what was counted, what was not seen, and by whom."""

import json
from dataclasses import replace

import numpy as np
import pytest
import typer
from scenes import T0, S, camera, fold, see, square, started

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.commands.batch_command import _say_facts
from crowdwatch.commands.summary import finish, share, summarise
from crowdwatch.core.records import Tick
from crowdwatch.core.runs import Mode, Run
from crowdwatch.drivers.lifecycle import Summary
from crowdwatch.drivers.totals import RunTotals, working_limits
from crowdwatch.errors import SourceTruncated


def two_cameras(seconds: int, until_s: int) -> RunTotals:
    """Two cameras see the same ground; the second one stops. Boxes of 0.9 and 0.3 count (limit 0.3), those of 0.05 not;
    one of them stands on no valid ground."""
    site = square(cameras=(camera("c"), camera("d")))
    totals, state = RunTotals(working_limits(site)), started(site)
    people = np.array([[0.0, 3.0], [1.0, 3.0], [np.nan, np.nan], [2.0, 3.0], [2.5, 3.0]])
    scores = np.array([0.9, 0.3, 0.5, 0.05, 0.29])
    for second in range(seconds):
        seen = [see(T0 + second * S, people, camera_id=each, scores=scores, seq=second)
                for each in ("c", "d") if each == "c" or second < until_s]  # fmt: skip
        for event in (*seen, Tick(T0 + second * S, tuple(each.stamp.id for each in seen))):
            state, outcomes = fold(state, [event])
            totals.add(event, outcomes[0] if outcomes else None)
    return totals


def summary_of(totals: RunTotals, **changed: object) -> Summary:
    """As of an event whose zone and cameras are those of the square."""
    event = config.load(example("synthetic"))
    first = event.cameras[0]
    cameras = [first.model_copy(update={"id": name}) for name in ("c", "d", "e")[: 2 + bool(changed.pop("third", 0))]]
    event = event.model_copy(update={"cameras": cameras, "zones": [event.zones[0].model_copy(update={"id": "z"})]})
    run = Run("r-1", event.id, Mode.BATCH, "{}", "/runs/r-1", T0, T0 + 20 * S, 0)
    made = Summary(run, event, totals, "f" * 64, ("test",), (), (), False, 1.5)
    return replace(made, **changed)


def test_a_silent_camera_stands_in_the_summary_beside_unknown_0(capsys: pytest.CaptureFixture[str]) -> None:
    totals = two_cameras(20, 5)
    assert totals.unknown_ticks == {}, "the other camera sees the zone all the time"
    health, (ticks, first_ns, last_ns) = *totals.cameras["d"].unfit, *totals.cameras["d"].unfit.values()
    # the last picture is that of second 4; silent when more than 5 s have passed
    assert (health, ticks, first_ns, last_ns) == ("silent", 10, T0 + 10 * S, T0 + 19 * S)
    summarise(summary_of(totals))
    said = capsys.readouterr().out
    assert " 0 % " in said
    assert "camera d: silent at 50 % of the readings (between 22:13:30 and 22:13:39); it counted nobody then." in said
    assert "camera c" not in said


def test_a_camera_that_gave_nothing_stands_in_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    summarise(summary_of(two_cameras(3, 3), third=True))
    assert "camera e: gave no picture that could be analysed." in capsys.readouterr().out


def test_what_is_counted_is_told_from_what_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    totals = two_cameras(10, 10)
    assert (totals.observations, totals.boxes, totals.off_ground, totals.logged) == (20, 60, 20, 100)
    summarise(summary_of(totals))
    said = " ".join(capsys.readouterr().out.split())
    assert "20 pictures with 60 boxes of people at the working limit (score 0.3 or more), 20 of them off the" in said
    assert "the log keeps 100 boxes, from score 0.05 on. 10 readings per zone" in said


def test_a_share_that_is_not_none_is_never_written_as_none() -> None:
    assert [share(part, 1000) for part in (0, 1, 9, 10, 500, 995, 1000)] == [
        "0 %", "< 1 %", "< 1 %", "1 %", "50 %", "> 99 %", "100 %",
    ]  # fmt: skip


def test_a_summary_is_told_again_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    """From the JSON that a batch leaves, with the same exit code."""
    first = summary_of(two_cameras(20, 5), faults=(SourceTruncated("half of gate.mp4 is missing"),))
    facts = json.loads(json.dumps(first.totals.facts()))
    again = replace(first, totals=RunTotals.of_facts(facts))
    said = []
    for summary in (first, again):
        with pytest.raises(typer.Exit) as ended:
            finish(summary, "again")
        assert ended.value.exit_code == 3
        said.append(capsys.readouterr())
    assert said[0] == said[1]
    assert "half of gate.mp4 is missing" in said[1].err


def test_a_summary_of_an_older_version_is_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {"alerts": {"crowding raised": 2}, "observations": 1200, "ticks": 120, "wall_s": 3.25, "failed": [],
             "partial": [{"camera_id": "c", "from_ns": T0, "to_ns": T0 + S, "reason": "broken"}],
             "alerts_digest": "a" * 64, "run_id": "r", "folder": "/runs/r"}  # fmt: skip
    with pytest.raises(typer.Exit):
        _say_facts(facts)
    said = capsys.readouterr()
    assert "1,200 pictures, 120 readings per zone" in said.out
    assert "alerts: 2 crowding raised" in said.out
    assert "{" not in said.out
    assert "partial: camera c from 2023-11-14T22:13:20Z: broken" in said.err


def test_alarms_that_were_raised_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    totals = two_cameras(3, 3)
    totals.raised = [(T0 + second * S, "crowding", "z", "raised", "alert") for second in range(25)]
    totals.raised[1] = (T0 + S, "crowding", "z", "level_up", "critical")
    summarise(summary_of(totals))
    said = capsys.readouterr().out
    assert "22:13:20Z In front of the stage: crowding raised at alert" in said
    assert "22:13:21Z In front of the stage: crowding rises to critical" in said
    assert said.count("raised at alert") == 19
    assert "and more: crowdwatch alerts r-1" in said
