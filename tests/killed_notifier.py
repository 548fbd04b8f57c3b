"""Runs a notifying process that a test kills: forks one for each line on its input, and says how it ended.

A line is a store's URL, and whether to end once all is delivered. The imports are made once: a fork costs milliseconds.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

from crowdwatch import config
from crowdwatch.drivers import notifying
from crowdwatch.notify import courier


def main() -> None:
    logging.disable()
    event = config.load(Path(sys.argv[1]))
    courier.CLAIM_S, courier.wait_s, notifying.POLL_S = 0.2, lambda attempts: 0.01, 0.005
    options = notifying.Options("", send=True)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            status = 1
            try:
                notifying.notify(event, replace(options, store_url=asked["store"], once=asked["once"]))
                status = 0
            finally:
                os._exit(status)
        print(json.dumps({"pid": pid}), flush=True)
        print(json.dumps({"status": os.waitpid(pid, 0)[1]}), flush=True)


if __name__ == "__main__":
    main()
