"""Which run a page shows by itself."""

import pytest

from crowdwatch.core.runs import Mode, Run, RunState
from crowdwatch.ui.run_choice import choose

NOW_NS = 1_800_000_000 * 1_000_000_000
HOUR_NS = 3600 * 1_000_000_000


def run(
    name: str, began_h: float, mode: Mode = Mode.REPLAY, state: RunState = RunState.RUNNING, silent_s: float = 1.0,
    speed: float = 1.0,
) -> Run:  # fmt: skip
    """A run that began so many hours ago and was last heard so many seconds ago."""
    started = NOW_NS - round(began_h * HOUR_NS)
    beat = NOW_NS - round(silent_s * 1e9)
    return Run(name, "e", mode, "{}", "", 0, 1, started, state, beat_wall_ns=max(beat, started), speed=speed)


LIVE, REPLAY, OVER = run("live", 5, Mode.LIVE), run("replay", 1), run("over", 0.5, state=RunState.FINISHED)


@pytest.mark.parametrize(
    ("runs", "kept", "shown", "newer"),
    [
        ([OVER, REPLAY, LIVE], None, "live", "over"),  # live first, however old
        ([OVER, REPLAY], None, "replay", "over"),  # then what runs
        ([OVER, run("older", 9, state=RunState.FINISHED)], None, "over", None),  # then the newest
        ([run("mine", 0.1), LIVE], "live", "live", "mine"),  # an analyst's replay does not take the page away
        ([run("mine", 0.1), REPLAY], "replay", "replay", "mine"),
        ([run("fast", 0.1, speed=0.0), REPLAY], None, "replay", "fast"),  # one to be followed first
        ([run("fast", 1.5, speed=0.0), REPLAY], "fast", "fast", "replay"),  # which takes no page away
        ([run("done", 0.1, state=RunState.FINISHED, speed=0.0), run("killed", 1, silent_s=60)], None, "done", None),
        ([run("tonight", 0.1, Mode.LIVE), run("replay", 1)], "replay", "tonight", None),  # a live run does
        ([run("new", 0.1), run("done", 2, state=RunState.FINISHED)], "done", "new", None),  # a run that is over is left
        # a live engine that has died is still shown: its silence must be seen
        ([run("mine", 1), run("dead", 2, Mode.LIVE, silent_s=600)], None, "dead", "mine"),
    ],
)  # fmt: skip
def test_what_matters_most_is_shown(runs: list[Run], kept: str | None, shown: str, newer: str | None) -> None:
    choice = choose(runs, kept, NOW_NS)
    assert (choice.shown.run_id, None if choice.newer is None else choice.newer.run_id) == (shown, newer)


def test_a_night_that_was_never_ended_gives_way() -> None:
    forgotten = run("forgotten", 80, Mode.LIVE, silent_s=70 * 3600)
    killed = run("killed", 3, silent_s=3 * 3600)
    assert choose([OVER, killed, forgotten], None, NOW_NS).shown.run_id == "over"
