"""Alarms on a probability, from the event file to the alert: P(density > limit) of at least x for the on-delay.

A perfect model: the replays are of the synthetic example, where ``TruthDetector`` finds everybody.
"""

import pytest
import yaml

from crowdwatch import config
from crowdwatch.assets.examples import example
from crowdwatch.core.intervals import above
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.drivers import build
from crowdwatch.drivers.replay import Options, replay_recording
from crowdwatch.errors import ConfigError
from crowdwatch.words import reason_text

LIMIT_P_M2, ON_DELAY_S, CHANCE = 0.4, 3, 0.1
S = 1_000_000_000


def event_file(folder, **readings):
    """The synthetic example with boxes alone, once a second, one limit, and these settings of readings."""
    said = yaml.safe_load(example("synthetic").read_text(encoding="utf-8"))
    said["cameras"][0]["sample_hz"] = 1
    said["counter"] = {"model": "none"}
    said["readings"] = readings
    limits = {"watch": LIMIT_P_M2, "caution": "off", "alert": "off", "critical": "off"}
    said["zones"] = said["zones"][:1]
    del said["zones"][0]["capacity_persons"]
    said["zones"][0]["limits"] = {"density_p_m2": limits, "on_delay_s": ON_DELAY_S, "off_delay_s": 6}
    path = folder / "event.yaml"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    return path


def raised(folder, **readings):
    """Readings of a replay, and its first alarm."""
    folder.mkdir()
    event = config.load(event_file(folder, **readings))
    end_ns = event.cameras[0].source.start_ns + 40 * S
    url = f"sqlite:///{folder}/s.sqlite"
    summary = replay_recording(event, Options(folder, url, to_ns=end_ns, pictures=False))
    store = build.open_store(url)
    found = store.readings(summary.run.run_id)
    alert = store.alerts(summary.run.run_id)[-1]
    store.close()
    return found, alert


def first_for(readings, reached):
    """The tick at which something has held for the on-delay."""
    since = None
    for each in readings:
        since = (each.t_ns if since is None else since) if reached(each) else None
        if since is not None and each.t_ns - since >= ON_DELAY_S * S:
            return each.t_ns
    raise AssertionError("never")


def test_the_alarm_comes_at_the_tick_at_which_the_probability_has_held(tmp_path):
    readings, alert = raised(tmp_path / "chance", alert_probability=CHANCE)
    plain_readings, plain = raised(tmp_path / "plain")
    assert [r.count for r in readings] == [r.count for r in plain_readings]

    def likely(reading):
        chance = above(reading.density_p_m2, reading.density_low, reading.density_high, LIMIT_P_M2)
        return chance >= CHANCE

    assert alert.t_ns == first_for(readings, likely)
    assert plain.t_ns == first_for(plain_readings, lambda reading: reading.density_p_m2 >= LIMIT_P_M2)
    assert alert.t_ns < plain.t_ns, "what may be so is said before what is so"
    against = {"quantity": "density", "limit": LIMIT_P_M2, "unit": "p/m2", "delay_s": float(ON_DELAY_S)}
    assert alert.reasons == (Reason.of(Code.LIMIT_LIKELY, value=alert.value, chance=CHANCE, **against),)
    assert plain.reasons == (Reason.of(Code.LIMIT_REACHED, value=plain.value, **against),)
    assert "with probability 0.1, limit 0.4 p/m2 for 3 s" in reason_text("en", alert.reasons)
    assert "概率" in reason_text("zh", alert.reasons)
    assert "概率" not in reason_text("zh", plain.reasons)


@pytest.mark.parametrize("chance", [0, 1, -0.1, 1.5, "likely", True, [0.1]])
def test_what_is_no_probability_is_refused_with_its_line(tmp_path, chance):
    with pytest.raises(ConfigError, match=r"event.yaml:\d+.*alert_probability"):
        config.load(event_file(tmp_path, alert_probability=chance))
