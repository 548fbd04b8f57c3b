"""``crowdwatch cameras``: what can be found out of cameras before an event file names them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crowdwatch.commands.terminal import cell, err, out, tell
from crowdwatch.core.plain_json import to_json

__all__ = ["app"]

app = typer.Typer(help="Cameras of the network.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Cameras of the network."""


@app.command()
def discover(
    network: Annotated[str, typer.Option("--network", help="The cameras' network, as 192.168.10.0/24.")],
    wait: Annotated[float, typer.Option("--wait", min=0.5, max=60, help="Seconds to wait for answers.")] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found for programs.")] = False,
) -> None:
    """List the ONVIF cameras that answer on a network. No password is asked for and none is tried."""
    from rich.table import Table

    from crowdwatch.sources.live import discovery

    found = discovery.discover(network, wait)
    if as_json:
        tell(to_json([asdict(each) for each in found]))
        return
    if not found:
        err.print("No camera answered. ONVIF may be switched off in the cameras, or multicast in the network's switch.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("address", "name", "hardware", "ONVIF service"):
        table.add_column(name, overflow="fold")
    for each in found:
        table.add_row(*map(cell, (each.address, each.name, each.hardware, each.service)))
    out.print(table)
    out.print("The URL of its stream stands in each camera's manual or web page, often rtsp://ADDRESS:554/...")
