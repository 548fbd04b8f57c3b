"""Hand counts reach the readings of the next run, of every driver alike, and stay with its log.

A perfect model: the runs are of the synthetic example with small pictures, where ``TruthDetector`` finds everybody. The
tests make up by how much a hand count differs from it.
"""

import shutil
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from drawn import drawn_square
from typer.testing import CliRunner

from crowdwatch import config
from crowdwatch.analytics.audit import Audit, of_program
from crowdwatch.commands import audit_commands
from crowdwatch.core.outcomes import Quality
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.drivers import build, hand_count
from crowdwatch.drivers.batch import JobSettings
from crowdwatch.drivers.replay import Options, replay_log, replay_recording
from pipelines.batch.observe_batch import BatchOptions, run_batch

S = 1_000_000_000
SECONDS = 45


def once_a_second():
    """Boxes alone, once a second: where density maps go is worked out anew in every run, for seconds."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = config.load(drawn_square(Path(folder)))
    source = loaded.cameras[0].source.model_copy(update={"capture_rate_hz": 1.0})
    cameras = [loaded.cameras[0].model_copy(update={"source": source})]
    return loaded.model_copy(
        update={"cameras": cameras, "counter": loaded.counter.model_copy(update={"model": "none"})}
    )


EVENT = once_a_second()
START = EVENT.cameras[0].source.start_ns


def options(folder, **more):
    return Options(folder, f"sqlite:///{folder}/s.sqlite", to_ns=START + SECONDS * S, pictures=False, **more)


def readings(folder, summary):
    store = build.open_store(f"sqlite:///{folder}/s.sqlite")
    found = store.readings(summary.run.run_id)
    store.close()
    return found


def enter(folder, summary, share, seconds):
    """Hand counts of some pictures: so many times what the program found in them; returns the store's entries."""
    store = build.open_store(f"sqlite:///{folder}/s.sqlite")
    for second in seconds:
        picture = hand_count.analysed(store, summary.run.run_id, "mast", START + second * S)
        hand_count.add(store, picture, round(share * picture.found), wall_ns=0)
    entries = store.audits(event_id=EVENT.id)
    store.close()
    return entries


def with_hand_counts(how):
    return EVENT.model_copy(update={"readings": EVENT.readings.model_copy(update={"hand_counts": how})})


def least_error(bias):
    """By which share factor n + offset may at least be too low, whatever the people n found: of the errors' sum."""
    found = np.arange(1.0, 200.0)
    of_factor, of_offset = found * (bias.high - bias.factor), bias.offset_high - bias.offset
    error = np.sqrt(of_factor**2 + of_offset**2 + 2 * bias.correlation * of_factor * of_offset)
    return float((error / (bias.factor * found + bias.offset)).min())


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A run, three hand counts of it that found half as many people again, and the run after them."""
    folder = tmp_path_factory.mktemp("counted")
    before = replay_recording(EVENT, options(folder))
    said = CliRunner().invoke(
        audit_commands.app,
        ["add", "mast", "0:00:20", "70", "--runs", str(folder), "--store", options(folder).store_url],
    )
    assert said.exit_code == 0, said.output
    entries = enter(folder, before, 1.5, (30, 40))
    return folder, before, entries, replay_recording(EVENT, options(folder))


def test_counts_are_scaled_and_intervals_with_them(counted):
    folder, before, entries, after = counted
    factor = after.event.cameras[0].bias
    assert factor.audits == 3
    said = of_program("mast", entries)
    assert factor.factor == pytest.approx(said.factor, abs=1e-4)  # 4 digits are kept
    assert (factor.offset, factor.most_found) == pytest.approx((said.offset, said.most_found), abs=1e-4)
    assert 1.1 < factor.factor < 1.5, "shrunk towards 1"
    assert factor.most_p_m2 > 0
    assert not factor.lowers
    pairs = zip(readings(folder, before), readings(folder, after), strict=True)
    some = [(one, other) for one, other in pairs if one.count > 5]
    assert len(some) > SECONDS / 2
    for one, other in some:
        # the offset is that of the whole picture, of which the zone is a part
        assert factor.factor * one.count < other.count <= factor.factor * one.count + factor.offset
        assert other.density_p_m2 / one.density_p_m2 == pytest.approx(other.count / one.count)
        corrected = Reason.of(Code.CORRECTED, "mast", factor=factor.factor, offset=factor.offset, audits=3)
        assert other.reasons[-1] == corrected
        # what the hand counts leave open is in it, which is a part of the count
        assert other.count_high - other.count >= other.count * least_error(factor) - 1e-9
        assert Code.CORRECTED not in {reason.code for reason in one.reasons}


def test_a_log_keeps_its_factors(counted, tmp_path):
    folder, before, _, after = counted
    for run in (before, after):
        again = replay_log(Path(run.run.folder), options(folder))
        assert again.digest == run.digest
        assert repr(readings(folder, again)) == repr(readings(folder, run))
    # another event file's limits, the log's factors; and none where it says so
    other = replay_log(Path(after.run.folder), options(folder), EVENT)
    assert repr(readings(folder, other)) == repr(readings(folder, after))
    off = replay_log(Path(after.run.folder), options(folder), with_hand_counts("none"))
    assert repr(readings(folder, off)) == repr(readings(folder, before))


def test_a_factor_can_be_turned_off_or_given(counted):
    folder, before, _, _ = counted
    off = replay_recording(with_hand_counts("none"), options(folder))
    assert repr(readings(folder, off)) == repr(readings(folder, before))
    own = config.BiasSettings(factor=1.1, low=1.0, high=1.2)
    given = EVENT.model_copy(update={"cameras": [EVENT.cameras[0].model_copy(update={"bias": own})]})
    assert replay_recording(given, options(folder)).event.cameras[0].bias == own


def test_a_batch_applies_the_same(counted):
    folder, _, _, after = counted
    settings = JobSettings(folder, chunk_s=20.0, to_ns=START + SECONDS * S)
    done = run_batch(EVENT, BatchOptions(settings, options(folder).store_url))
    assert done.facts["factors"] == {"mast": after.event.cameras[0].bias.factor}
    assert done.facts["alerts_digest"] == after.digest
    again = run_batch(EVENT, BatchOptions(settings, options(folder).store_url))
    assert again.run_id == done.run_id, "the job has finished before, and its factors are no reason to begin anew"


def test_few_hand_counts_lower_nothing_unless_asked(tmp_path):
    before = replay_recording(EVENT, options(tmp_path))
    enter(tmp_path, before, 0.6, (20, 30, 40))
    careful = replay_recording(EVENT, options(tmp_path))
    pairs = zip(readings(tmp_path, before), readings(tmp_path, careful), strict=True)
    assert all(one.count == other.count for one, other in pairs)
    lows = [min(r.count_low for r in readings(tmp_path, run) if r.count > 20) for run in (before, careful)]
    assert lows[1] < lows[0], "but the interval reaches down to what was counted"
    asked = replay_recording(with_hand_counts("all"), options(tmp_path))
    assert asked.event.cameras[0].bias.factor < 0.95
    pairs = zip(readings(tmp_path, before), readings(tmp_path, asked), strict=True)
    assert 0.6 < min(other.count / one.count for one, other in pairs if one.count > 20) < 0.85


def test_hand_counts_lower_nothing_beyond_the_densities_of_their_pictures(tmp_path):
    """Of the first seconds, in which few have come; many come later."""
    before = replay_recording(EVENT, options(tmp_path))
    enter(tmp_path, before, 0.6, (4, 5, 6, 7, 8))
    after = replay_recording(with_hand_counts("all"), options(tmp_path))
    bias = after.event.cameras[0].bias
    pairs = list(zip(readings(tmp_path, before), readings(tmp_path, after), strict=True))
    assert min(other.count / one.count for one, other in pairs if 0 < one.count <= bias.most_found) < 0.9
    crowded = [(one, other) for one, other in pairs if one.count > 2 * bias.most_found]
    assert len(crowded) > 10
    for one, other in crowded:
        assert other.count == one.count
        assert other.count_low < one.count_low
        assert Reason.of(Code.NOT_LOWERED, "mast", audits=5) in other.reasons


def test_where_logs_are_gone_only_sparse_ground_is_lowered(tmp_path):
    before = replay_recording(EVENT, options(tmp_path))
    enter(tmp_path, before, 0.6, (20, 30, 40))
    shutil.rmtree(before.run.folder)
    after = replay_recording(with_hand_counts("all"), options(tmp_path))
    assert after.event.cameras[0].bias.most_p_m2 == config.to_site(after.event).hand_over.low_p_m2


def test_counts_beside_another_program_are_left_aside(tmp_path):
    before = replay_recording(EVENT, options(tmp_path))
    store = build.open_store(options(tmp_path).store_url)
    for second in range(5):
        t_ns = START + second * S
        store.add_audit(Audit("mast", t_ns, 90, 30.0, "ana", 0, before.run.run_id, "another", 0.25))
    store.close()
    after = replay_recording(EVENT, options(tmp_path))
    assert after.event.cameras[0].bias is None
    assert repr(readings(tmp_path, after)) == repr(readings(tmp_path, before))


def test_an_absurd_count_is_bounded_and_degrades(tmp_path):
    before = replay_recording(EVENT, options(tmp_path))
    enter(tmp_path, before, 40.0, (20, 30, 40))
    after = replay_recording(EVENT, options(tmp_path))
    assert after.event.cameras[0].bias.factor == 2.0
    some = readings(tmp_path, after)[-1]
    assert some.quality is Quality.DEGRADED
    assert Reason.of(Code.FACTOR_OUT_OF_RANGE, "mast") in some.reasons


def test_a_run_that_goes_on_keeps_the_factors_it_began_with(counted, tmp_path):
    folder, before, *_ = counted
    stop = threading.Event()

    def halfway(t_ns):
        if t_ns - START >= 20 * S:
            stop.set()

    first = replay_recording(EVENT, options(tmp_path, stop=stop, progress=halfway))
    assert first.stopped
    enter(tmp_path, first, 1.5, (10, 15))
    second = replay_recording(EVENT, options(tmp_path, resume=True))
    assert second.run.run_id == first.run.run_id
    assert repr(readings(tmp_path, second)) == repr(readings(folder, before))
    assert replay_recording(EVENT, options(tmp_path)).event.cameras[0].bias.audits == 2
