"""``crowdwatch patrol``: where free drones should look next, out of what a run has seen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from crowdwatch.commands.terminal import out, tell
from crowdwatch.core.plain_json import to_json

__all__ = ["patrol"]


def patrol(
    log: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run: its log says what was seen.")],
    drones: Annotated[Path, typer.Option("--drones", help="YAML file of the drones that may be sent.")],
    fresh_s: Annotated[float, typer.Option(min=0.1, help="Ground that was seen longer ago is not fresh.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Propose to each free drone the hover point from which it sees most of the ground at risk.

    Risk grows with density, its trend, how close it is to the limit, and how long ago the ground was seen. Fence,
    battery and reserve hold. It proposes: a person sends a drone. Nothing is sent to an aircraft.
    """
    from crowdwatch.config.drones_file import read_drones
    from crowdwatch.drivers.patrol import patrol_of

    found = patrol_of(log, read_drones(drones), fresh_s=fresh_s)
    rows = [
        {
            "drone": each.drone_id,
            "east_m": round(each.pose.east_m, 1),
            "north_m": round(each.pose.north_m, 1),
            "height_m": each.pose.up_m,
            "heading_deg": round(each.pose.yaw_deg, 1),
            "pitch_deg": each.pose.pitch_deg,
            "risk_frac": round(each.risk_frac, 3),
            "area_m2": round(each.area_m2, 1),
            "flight_s": round(each.flight_s, 1),
            "hover_s": round(each.hover_s, 1),
        }
        for each in found.proposals
    ]
    facts = {
        "fresh_frac": found.fresh_frac,
        "oldest_s": found.oldest_s,
        "worst_m": found.worst_m,
        "proposals": rows,
    }
    if as_json:
        tell(to_json(facts))
        return
    oldest = "some was never seen" if math.isinf(found.oldest_s) else f"the oldest sight is {found.oldest_s:.0f} s old"
    out.print(f"Fresh: {100 * found.fresh_frac:.0f} % of the watched ground; {oldest}.")
    if found.worst_m is not None:
        out.print(f"Most at risk: {found.worst_m[0]:.1f} m east, {found.worst_m[1]:.1f} m north.")
    for each in found.proposals:
        pose = each.pose
        where = f"{pose.up_m:g} m above {pose.east_m:.1f} m east, {pose.north_m:.1f} m north"
        look = f"heading {pose.yaw_deg:.0f}, gimbal {pose.pitch_deg:g}"
        sees = f"{each.area_m2:.0f} m2 and {100 * each.risk_frac:.0f} % of the risk"
        times = f"{each.flight_s:.0f} s to get there, then {each.hover_s:.0f} s"
        out.print(f"{each.drone_id}: hover {where}, {look}: sees {sees}; {times}.", markup=False)
    if not rows:
        out.print("No drone is needed, or none can see ground at risk and come home.")
