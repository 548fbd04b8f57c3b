"""One camera fails: it goes without that observation, its zones say so, and the others go on as if nothing had been."""

import json

import pytest
from scenes import T0, S, camera, fold, square, started

from crowdwatch import config
from crowdwatch.analytics.engine import advance
from crowdwatch.assets.examples import example
from crowdwatch.core.chunks import Chunk
from crowdwatch.core.outcomes import Quality
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import CameraFault, Observation, Tick
from crowdwatch.core.runs import RunState
from crowdwatch.drivers import build
from crowdwatch.drivers.feed import Feed
from crowdwatch.drivers.replay import Options, replay_recording
from crowdwatch.drivers.streams import RecordedStream
from crowdwatch.errors import LogCorrupt, ModelError, SourceUnavailable
from crowdwatch.sources.synthetic import Scene, SyntheticSource, TruthDetector, lattice, looking_down, standing
from crowdwatch.store.chunks import ChunkFault, ChunkFolder
from crowdwatch.store.log import LogReader, LogWriter

PLANES = {"a": looking_down((0, -12, 10), (0, 3)), "b": looking_down((0, 18, 10), (0, 3))}
SECONDS = 4


class Failing(TruthDetector):
    """Perfect, but for some pictures."""

    fails, error = (), ModelError("the network gave NaN.")

    def detect(self, frames):
        if any(frame.stamp.t_ns in self.fails for frame in frames):
            raise self.error
        return super().detect(frames)


class Breaking(SyntheticSource):
    """Its reader meets what no reader foresees."""

    breaks_at = 10**30

    def pairs(self, from_ns=None, to_ns=None):
        for pair in super().pairs(from_ns, to_ns):
            if pair.current.stamp.t_ns >= self.breaks_at:
                raise ZeroDivisionError("a picture of no lines")
            yield pair


def stream_of(fails=(), error=None, breaks_at=10**30):
    """Two cameras that see the same square, the second of which fails."""
    feeds = []
    for name, plane in PLANES.items():
        scene = Scene(plane, standing(lattice(1.0, -6, -2, 6, 8)), T0, 5 * SECONDS)
        source, detector = Breaking(scene, camera_id=name), Failing(scene, camera().anchor)
        if name == "b":
            source.breaks_at, detector.fails, detector.error = breaks_at, fails, error or Failing.error
        feeds.append(Feed(source, detector, plane))
    return RecordedStream(feeds, T0, T0 + SECONDS * S, S)


SITE = square(cameras=[camera(name, plane) for name, plane in PLANES.items()])


def folded(stream):
    events = [event for event, _ in stream]
    return events, fold(started(SITE), events)[1]


@pytest.mark.parametrize("error", [None, ValueError("Input 0: need 3 channels"), MemoryError("no room")])
def test_one_picture_that_cannot_be_analysed(error, caplog):
    failing = T0 + 12 * S // 5
    stream = stream_of(fails=(failing,), error=error)
    events, outcomes = folded(stream)
    whole, before = folded(stream_of())
    assert [e for e in events if isinstance(e, CameraFault)] == [CameraFault("b", failing, Code.NOT_OBSERVED)]
    seen = [e.stamp.id for e in events if isinstance(e, Observation)]
    others = [e for e in whole if isinstance(e, Observation) and (e.stamp.camera_id, e.t_ns) != ("b", failing)]
    assert seen == [e.stamp.id for e in others]
    why = Reason.of(Code.NOT_OBSERVED, "b")
    assert [why in outcome.readings[0].reasons for outcome in outcomes] == [False, False, False, True, False]
    assert outcomes[3].readings[0].quality is Quality.DEGRADED
    assert [o.readings[0].quality for o in outcomes[:3]] == [o.readings[0].quality for o in before[:3]]
    assert [o.readings[0].count for o in outcomes] == pytest.approx([o.readings[0].count for o in before], rel=0.02)
    (fault,) = stream.faults
    assert str(error or "the network gave NaN.") in str(fault)
    assert "camera 'b': 1 picture(s) could not be analysed" in str(fault)
    assert caplog.text.count("could not be analysed") == 1
    assert caplog.text.count("pictures are analysed again") == 1


def test_a_camera_whose_every_picture_fails_is_silent_with_the_reason_and_said_once(caplog):
    every = tuple(T0 + n * S // 5 for n in range(5 * SECONDS))
    stream = stream_of(fails=every)
    events, outcomes = folded(stream)
    assert [e for e in events if isinstance(e, CameraFault)] == [CameraFault("b", T0, Code.NOT_OBSERVED)]
    for outcome in outcomes:
        assert Reason.of(Code.NOT_OBSERVED, "b") in outcome.readings[0].reasons
        assert outcome.readings[0].quality is Quality.DEGRADED
        assert outcome.readings[0].count > 0
    assert f"{5 * SECONDS} picture(s)" in str(stream.faults[0])
    assert caplog.text.count("could not be analysed") == 1


def test_a_reader_that_meets_the_unforeseen_leaves_its_camera_out():
    stream = stream_of(breaks_at=T0 + 2 * S)
    events, outcomes = folded(stream)
    assert [e for e in events if isinstance(e, CameraFault)] == [CameraFault("b", T0 + 9 * S // 5, Code.FOOTAGE_BROKEN)]
    assert "camera 'b': its footage cannot be read any further (ZeroDivisionError: a picture of no lines)" in str(
        stream.faults[0]
    )
    assert [Reason.of(Code.FOOTAGE_BROKEN, "b") in o.readings[0].reasons for o in outcomes] == [False] * 2 + [True] * 3


def test_a_fault_is_logged_and_folded_again_to_the_same(tmp_path):
    stream = stream_of(fails=(T0 + 12 * S // 5,), breaks_at=T0 + 16 * S // 5)
    events, outcomes = folded(stream)
    log = LogWriter(tmp_path, "{}", event_id="square")
    for event in events:
        log.append(event)
    log.close(complete=True)
    again = list(LogReader(tmp_path).events())
    assert [e for e in again if isinstance(e, CameraFault)] == [e for e in events if isinstance(e, CameraFault)]
    assert repr([o.readings for o in fold(started(SITE), again)[1]]) == repr([o.readings for o in outcomes])


def test_a_fault_of_a_camera_that_the_event_does_not_have_is_a_damaged_log():
    with pytest.raises(LogCorrupt, match="camera 'x'"):
        advance(started(SITE), CameraFault("x", T0, Code.NOT_OBSERVED))


def test_a_run_that_goes_on_says_a_standing_fault_no_second_time():
    stream = stream_of(breaks_at=T0)
    stream.go_on_after(T0 + S, {"b": Code.FOOTAGE_BROKEN})
    assert not [event for event, _ in stream if isinstance(event, CameraFault)]


@pytest.fixture
def event():
    return config.load(example("synthetic"))


def options(folder, event):
    end_ns = event.cameras[0].source.start_ns + 3 * S
    return Options(folder, f"sqlite:///{folder}/store.sqlite", to_ns=end_ns, pictures=False)


def test_a_run_without_any_observation_fails_with_its_message(event, tmp_path, monkeypatch):
    def detect(self, frames):
        raise ModelError("the network gave NaN.")

    monkeypatch.setattr(TruthDetector, "detect", detect)
    with pytest.raises(ModelError, match="the network gave NaN"):
        replay_recording(event, options(tmp_path, event))
    store = build.open_store(f"sqlite:///{tmp_path}/store.sqlite")
    (run,) = store.runs()
    store.close()
    assert run.state is RunState.FAILED
    assert "the network gave NaN" in run.message


def test_every_fault_at_the_door_is_listed(event, tmp_path):
    source = event.cameras[0].source
    cameras = [
        event.cameras[0].model_copy(
            update={"id": name, "source": source.model_copy(update={"synthetic": None, "file": str(tmp_path / name)})}
        )
        for name in ("one.mp4", "two.mp4")
    ]
    broken = event.model_copy(update={"cameras": cameras})
    with pytest.raises(SourceUnavailable, match=r"one\.mp4: no such file[^\n]*\n[^\n]*two\.mp4: no such file"):
        build.open_feeds(broken)


CHUNK = Chunk("gate", T0, T0 + 10 * S)


BAD = ["", "{", "[1, 2]", '{"kept": false}', '{"reason": "x", "kept": false, "missing_ns": 5}']


@pytest.mark.parametrize("text", BAD)
def test_a_damaged_fault_file_is_a_failed_chunk_with_a_clear_sentence(tmp_path, text):
    folder = ChunkFolder(tmp_path, "square")
    folder.fail(CHUNK, ChunkFault("no such file"))
    (path,) = tmp_path.rglob("*.fault.json")
    path.write_text(text)
    standing = folder.standing()
    assert list(standing.failed) == [CHUNK]
    assert "the file that says why is damaged" in standing.failed[CHUNK]
    assert "--retry-failed" in standing.failed[CHUNK]
    assert folder.forget_failures() == 1


def test_a_fault_file_of_before_is_read(tmp_path):
    folder = ChunkFolder(tmp_path, "square")
    folder.fail(CHUNK, ChunkFault("x"))
    (path,) = tmp_path.rglob("*.fault.json")
    path.write_text(json.dumps({"reason": "no such file", "kept": False}))
    assert folder.standing().faults == {CHUNK: ChunkFault("no such file", broken=True)}


@pytest.mark.parametrize(("code", "silent_after_s"), [(Code.CONNECTION_LOST, 3), (Code.FOOTAGE_BROKEN, 5)])
def test_a_camera_whose_connection_is_lost_is_silent_sooner(code, silent_after_s):
    """The last picture is of second 4; a picture later ends the loss."""
    site = square(cameras=[camera("a", PLANES["a"])])
    scene = Scene(PLANES["a"], standing(lattice(1.0, -6, -2, 6, 8)), T0, 65)
    feed = Feed(SyntheticSource(scene, camera_id="a"), TruthDetector(scene, camera().anchor), PLANES["a"])
    seen = {pair.current.stamp.t_ns: feed.observe(pair) for pair in feed.source.pairs()}
    events = []
    for second in range(1, 13):
        new = [each for t_ns, each in seen.items() if T0 + (second - 1) * S < t_ns <= T0 + second * S]
        events += [] if 4 < second < 12 else new
        if second == 5:
            events.append(CameraFault("a", T0 + 4 * S, code))
        events.append(Tick(T0 + second * S, () if 4 < second < 12 else tuple(each.stamp.id for each in new)))
    _, outcomes = fold(started(site), events)
    states = [outcome.readings[0].quality is Quality.STALE for outcome in outcomes]
    assert states == [4 + silent_after_s < second < 12 for second in range(1, 13)]
