"""Starts engines that a test kills: forks one for each line on its input, and says how it ended.

A line is JSON: ``from_ns`` where simulated time goes on, ``for_s`` how long. The imports and the drawn pictures are
made once: a fork costs milliseconds.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from live_scene import drawn_event, drawn_observations, simulated

from crowdwatch.drivers.live.live import live


def main() -> None:
    folder = Path(sys.argv[1])
    logging.disable()
    event = drawn_event(folder)
    seen = drawn_observations(event)
    began_ns = event.cameras[0].source.start_ns
    print(json.dumps({"began_ns": began_ns}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            status = 1
            try:
                live(event, simulated(folder, seen, began_ns, asked["from_ns"], for_s=asked["for_s"]))
                status = 0
            finally:
                os._exit(status)
        print(json.dumps({"pid": pid}), flush=True)
        print(json.dumps({"status": os.waitpid(pid, 0)[1]}), flush=True)


if __name__ == "__main__":
    main()
