"""``crowdwatch pictures``: serves the newest coarse picture of each camera to who has a signed address."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, err, literal, stopping

__all__ = ["pictures"]

EXPIRE_S = 60.0
"""How often kept pictures whose time is over are looked for."""


def pictures(
    runs: RunsPath = DEFAULT_RUNS,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8502,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    key: Annotated[
        Path | None, typer.Option("--key", help="File of the key (default: pictures.key in --runs), made if missing.")
    ] = None,
) -> None:
    """Serve the newest coarse pictures of live runs to signed, short-lived addresses; the page signs them.

    Pictures that live runs keep around alarms are removed when their time is over.
    """
    from crowdwatch.drivers import build
    from crowdwatch.telemetry.picture_routes import picture_routes
    from crowdwatch.telemetry.serving import Serving, health_routes
    from crowdwatch.telemetry.signing import KEY_NAME, PictureKey

    def newest(run_id: str, camera_id: str) -> tuple[bytes, int] | None:
        if run_id in ("", ".", "..") or Path(run_id).name != run_id:
            return None
        return build.newest_picture(str(runs / run_id), camera_id, sys.maxsize)

    def well() -> str:
        return "" if runs.is_dir() else "the runs folder is not there"

    routes = [*picture_routes(PictureKey.of(key or runs / KEY_NAME), newest), *health_routes(lambda: "", well)]
    with stopping() as stop, Serving(routes, address, port, "pictures") as serving:
        err.print(f"Pictures: http://{literal(address)}:{serving.port}  (Ctrl-C ends it)")
        while not stop.wait(EXPIRE_S):
            build.expire_pictures(runs, time.time_ns())
