"""``python -m crowdwatch.drivers.live.station_main``: a station over the cameras of its event file."""

import sys

from crowdwatch.drivers.live.cameras import open_captures
from crowdwatch.drivers.live.station_program import main

if __name__ == "__main__":
    sys.exit(main(open_captures))
