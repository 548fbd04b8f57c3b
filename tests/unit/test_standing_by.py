"""What an engine shows while another one drives its event, and when it takes over."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from live_scene import drawn_event, drawn_observations, simulated

from crowdwatch.drivers import build
from crowdwatch.drivers.live.lease import LeaseKeeper, take_lease
from crowdwatch.drivers.live.live import live
from crowdwatch.telemetry.engine_signs import EngineSigns, Signs

PATIENCE_S = 60.0


def test_one_that_stands_by_is_healthy_and_not_ready_until_it_drives(tmp_path):
    event = drawn_event(tmp_path)
    seen, t0 = drawn_observations(event), event.start_ns
    shown: list[Signs] = []
    stands, found = threading.Event(), []
    in_run: list[tuple[str, bool]] = []

    @contextmanager
    def serving(signs: Signs) -> Iterator[None]:
        shown.append(signs)
        yield
        in_run.append((signs.well(), b"crowdwatch_ticks_total" in signs.exposition()))

    def stand_by():
        options = simulated(
            tmp_path, seen, t0, t0, for_s=2, standby=True, serving=serving, say=lambda text: stands.set()
        )
        found.append(live(event, options))

    with closing(build.open_store(f"sqlite:///{tmp_path}/store.sqlite")) as store:
        held = take_lease(store, event.id)
        with LeaseKeeper(store, held, threading.Event()):
            other = threading.Thread(target=stand_by)
            other.start()
            assert stands.wait(PATIENCE_S)
            (signs,) = shown
            assert (signs.unhealthy(), signs.well(), signs.unready()) == ("", "standing by", "standing by")
            assert b"crowdwatch_standing_by 1.0" in signs.exposition()
        other.join(PATIENCE_S)
    assert found[0] is not None
    assert in_run == [("ok", True)]


def test_one_that_has_the_event_is_starting():
    signs = EngineSigns(standby=True)
    signs.starts()
    assert (signs.unhealthy(), signs.well(), signs.unready()) == ("", "starting", "starting")
    assert b"crowdwatch_standing_by 0.0" in signs.exposition()
