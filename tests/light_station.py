"""A station's process without cameras: it says of each that it streams, once a second. It starts fast."""

from __future__ import annotations

import json
import sys

from crowdwatch.core.live import StreamPhase, StreamStatus
from crowdwatch.drivers.live.channel import Access
from crowdwatch.drivers.live.life import ends_with_engine
from crowdwatch.drivers.live.sender import Sender

PROGRAM = (sys.executable, __file__)
"""For :class:`crowdwatch.drivers.live.stations.LocalStation`."""


def main() -> None:
    over = ends_with_engine(int(sys.argv[1]))
    orders = json.load(sys.stdin)
    sender = Sender(Access(**orders["access"]))
    said = 0
    while not over.is_set() and not sender.dismissed:
        sender.beat()
        for camera_id in orders["cameras"]:
            sender.send(StreamStatus(camera_id, StreamPhase.STREAMING, said, received=said))
        said += 1
        over.wait(0.2)
    sender.close(1.0)


if __name__ == "__main__":
    main()
