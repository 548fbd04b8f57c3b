"""An engine that does nothing but start two stations, say which processes they are, and listen."""

from __future__ import annotations

import sys
from pathlib import Path

import light_station

from crowdwatch import config
from crowdwatch.core.live import StreamStatus
from crowdwatch.drivers.live.stations import LocalStation
from crowdwatch.sources.live.event_clock import EventClock


def main() -> None:
    event = config.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    clock = EventClock.start()
    with (
        LocalStation(event, clock, program=light_station.PROGRAM) as one,
        LocalStation(event, clock, program=light_station.PROGRAM) as two,
    ):
        for each in (one, two):
            while not any(isinstance(message, StreamStatus) for message in each.receive(0.1)):
                pass
        print(one.pid, two.pid, flush=True)
        while True:
            one.receive(0.1)


if __name__ == "__main__":
    main()
