"""Heatmaps and the series of zones, against maps that can be worked out by hand."""

import csv
import io
import json
import math
from dataclasses import replace
from xml.etree import ElementTree

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from scenes import T0, S, every_second, fold, ladder, square, started

from crowdwatch.core.movement import FlowGrid, Precursor, PrecursorKind, ZoneMovement
from crowdwatch.core.outcomes import DensityGrid
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.runs import Mode, Run
from crowdwatch.core.site import Phase, ZoneLimits
from crowdwatch.rendering.geotiff import Band, MapFrame, geotiff
from crowdwatch.rendering.map_picture import MapPicture
from crowdwatch.rendering.palette import BAND_COLOURS, GREY, GROUND, OFF_SITE, rgb
from crowdwatch.rendering.products import Products
from crowdwatch.rendering.provenance import Provenance
from crowdwatch.rendering.zone_table import ZoneTable

MINUTE_T0 = T0 // (60 * S) * 60 * S
NAN = float("nan")
WHY = (Reason.of(Code.UNHEALTHY, "c", health="frozen"), Reason.of(Code.PARTLY_SEEN, visible_frac=0.25))
LADDER = ladder(1.0, 2.0, 3.5, 5.0)
SITE = replace(square(limits=LADDER), crs="EPSG:32630")


def run_of(from_s: float, to_s: float) -> Run:
    from_ns, to_ns = (MINUTE_T0 + round(second * S) for second in (from_s, to_s))
    return Run("square-1", "square", Mode.BATCH, "{}", "", from_ns, to_ns, 0)


def ticks():
    """Two minutes: the west cell holds 2 then 4, the east cell is known in 15 s of the first minute alone."""
    _, (outcome,) = fold(started(square()), every_second(lambda second: np.array([[0.0, 3.0]]), 1))
    outcome = replace(outcome, readings=tuple(replace(each, reasons=WHY) for each in outcome.readings))
    for second in range(1, 121):
        t_ns = MINUTE_T0 + second * S
        rho = np.array([[2.0 if second <= 60 else 4.0, 8.0 if second <= 15 else NAN]])
        grid = DensityGrid(t_ns, np.array([10.0, 20.0]), 1.0, rho, 1.0)
        yield replace(outcome, t_ns=t_ns, grid=grid)


@pytest.fixture
def made(tmp_path):
    products = Products(tmp_path, SITE, run_of(0, 120), (500_000.0, 4_000_000.0))
    for outcome in ticks():
        products.add(outcome)
    products.close()
    return tmp_path


def test_minutes_are_means_over_the_known_time(made):
    table = pq.read_table(made / "heatmap_minutes.parquet")
    assert table["t_ns"].to_pylist() == [MINUTE_T0, MINUTE_T0 + 60 * S]
    first, second = table["rho_p_m2"].to_pylist()
    assert first == [2.0, 8.0]
    assert second[0] == 4.0
    assert np.isnan(second[1])  # unknown, not empty
    assert table["known_s"].to_pylist() == [[60.0, 15.0], [60.0, 0.0]]
    place = json.loads(table.schema.metadata[b"crowdwatch_grid"])
    assert (place["west_m"], place["south_m"], place["crs"]) == (500_010.0, 4_000_020.0, "EPSG:32630")


def test_velocities_and_movement_have_files_of_their_own(tmp_path):
    products = Products(tmp_path, SITE, run_of(0, 120), (500_000.0, 4_000_000.0))
    sign = Precursor(PrecursorKind.COUNTER_FLOW, 0.4, 0.2, "share", 7.0)
    for number, outcome in enumerate(ticks()):
        v = np.array([[[0.5, NAN], [NAN, NAN]]])
        flow = FlowGrid(outcome.t_ns, np.array([10.0, 20.0]), 1.0, v, np.full((1, 2), 0.1), np.array([[3, 0]]),
                        np.zeros((1, 2)))  # fmt: skip
        moved = ZoneMovement("hall", outcome.t_ns, 10.0, 0.5, 0.4, 0.6, *[NAN] * 8, (), (sign,))
        products.add(replace(outcome, movement=(moved,), flow=flow if number % 5 == 0 else None))
    products.close()
    table = pq.read_table(tmp_path / "flow.parquet")
    assert (len(table), table["west_m"][0].as_py(), table["v_east_m_s"][0].as_py()[0]) == (24, 500_010.0, 0.5)
    with (tmp_path / "movement.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 120
    assert (rows[0]["speed_m_s"], rows[0]["inflow_p_s"], rows[0]["signs"]) == ("0.5", "", '{"counter_flow": 7.0}')


def test_maps_of_the_whole(made):
    table = pq.read_table(made / "heatmap_maps.parquet")
    maps = dict(zip(table["map"].to_pylist(), table["rho_p_m2"].to_pylist(), strict=True))
    assert maps == {"mean": [3.0, 8.0], "maximum": [4.0, 8.0], "p50": [2.0, 8.0], "p95": [4.0, 8.0]}


def test_a_geotiff_lies_where_the_site_lies(made):
    with tifffile.TiffFile(made / "mean.tif") as file:
        page = file.pages[0]
        assert page.asarray().ravel().tolist() == [3.0, 8.0]
        facts = page.geotiff_tags
    assert facts["ProjectedCSTypeGeoKey"] == 32630
    assert facts["ModelPixelScale"][:2] == [1.0, 1.0]
    assert facts["ModelTiepoint"] == [0.0, 0.0, 0.0, 500_010.0, 4_000_021.0, 0.0]  # the north-west corner


@pytest.mark.parametrize(
    ("from_s", "to_s", "minutes", "known_s"),
    [
        (0, 120, [0, 60], [60, 60]),  # the tick on the first frame stands for the second before it, which is no footage
        (59.5, 120, [0, 60], [0.5, 60]),
        (60, 120, [60], [60]),
        (0, 60, [0], [60]),
        (0, 60.25, [0, 60], [60, 0.25]),  # the last tick comes after the end
    ],
)
def test_there_is_no_minute_without_footage(tmp_path, from_s, to_s, minutes, known_s):
    products = Products(tmp_path, SITE, run_of(from_s, to_s))
    outcomes = list(ticks())
    outcomes.insert(0, replace(outcomes[0], t_ns=MINUTE_T0))  # a tick on the full minute
    first, last = MINUTE_T0 + from_s * S, MINUTE_T0 + to_s * S
    for outcome in outcomes:
        if first <= outcome.t_ns < last + S:  # as the stream of a run ticks
            products.add(outcome)
    products.close()
    table = pq.read_table(tmp_path / "heatmap_minutes.parquet")
    assert table["t_ns"].to_pylist() == [MINUTE_T0 + minute * S for minute in minutes]
    assert [cells[0] for cells in table["known_s"].to_pylist()] == known_s
    assert len(list((tmp_path / "minutes").glob("*.png"))) == len(minutes)
    with tifffile.TiffFile(tmp_path / "mean.tif") as file:
        tags = metadata(file)
    assert (tags["from_utc", ""], tags["to_utc", ""]) == tuple(clock(second) for second in (from_s, to_s))


def clock(second: float) -> str:
    from crowdwatch.rendering.zone_table import utc

    return utc(MINUTE_T0 + round(second * S))


def metadata(file: tifffile.TiffFile) -> dict[tuple[str, str], str]:
    """GDAL's items by name and band, as GDAL reads them."""
    root = ElementTree.fromstring(file.pages[0].tags[42112].value)
    return {(item.get("name"), item.get("sample", "")): item.text for item in root}


def test_a_geotiff_says_what_it_shows(made):
    (path,) = (made / "minutes").glob("*.tif")
    with tifffile.TiffFile(path) as file:
        tags = metadata(file)
        assert file.pages[0].tags["Software"].value.startswith("CrowdWatch ")
    assert tags["unit", ""] == tags["UNITTYPE", "0"] == tags["UNITTYPE", "1"] == "people/m2"
    assert (tags["run_id", ""], tags["event_id", ""], tags["bandwidth_m", ""]) == ("square-1", "square", "1")
    assert (tags["from_utc", "1"], tags["to_utc", "1"]) == (clock(60), clock(120))
    assert (tags["from_utc", ""], tags["to_utc", ""]) == (clock(0), clock(120))
    assert tags["DESCRIPTION", "0"] == f"mean of {clock(0)} to {clock(60)}"


def test_a_local_frame_is_in_metres():
    band = Band(np.zeros((2, 3)), "mean", clock(0), clock(60))
    with tifffile.TiffFile(io.BytesIO(geotiff([band], MapFrame(-1, 2, 0.5, "local"), {}))) as file:
        keys = np.array(file.pages[0].tags[34735].value).reshape(-1, 4)[1:, [0, 3]]
        text = file.pages[0].tags[34737].value
    values = dict(keys.tolist())
    assert (values[1024], values[3076]) == (32767, 9001)  # of the user's own; its unit is EPSG's metre
    assert 3072 not in values, "it is no map"
    assert text.startswith("local frame of the site, metres")


def test_every_reading_is_in_the_table_with_what_it_needs(made):
    with (made / "zones.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 120
    row = rows[0]
    assert (row["run_id"], row["event_id"], row["zone_id"], row["name_en"]) == ("square-1", "square", "z", "Zone")
    assert (row["usable_area_m2"], row["kind"], row["phase_id"]) == ("48.00", "standing", "all")
    assert row["capacity_persons"] == "100"
    assert {row["reasons"] for row in rows} == {"camera c: the picture is frozen; 25% of the zone is seen"}
    limits = {f"limit_density_{each.level.name.lower()}_p_m2": f"{each.raise_at:g}" for each in LADDER}
    assert {name: row[name] for name in row if name.startswith("limit_")} == limits
    assert list(limits)[-1].endswith("_critical_p_m2")
    assert not list(made.rglob("*.tmp"))


def test_the_table_has_the_digits_that_it_states():
    _, (outcome,) = fold(started(square()), every_second(lambda second: np.array([[0.0, 3.0]]), 1))
    (reading,) = outcome.readings
    reading = replace(
        reading, count=1 / 3, count_high=math.inf, density_p_m2=2 / 3, peak_p_m2=NAN, visible_frac=1 / 7, age_s=0.04
    )
    now = replace(SITE, phases=(*SITE.phases, Phase("late", MINUTE_T0, (ZoneLimits("z", LADDER[:1]),))))
    file = io.StringIO()
    ZoneTable(file, now, Provenance("r", "square")).add([replace(reading, t_ns=MINUTE_T0 + S // 4)])
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert (row["count"], row["density_p_m2"], row["visible_frac"]) == ("0.33", "0.667", "0.143")
    assert (row["count_high"], row["peak_p_m2"], row["age_s"]) == ("inf", "", "0.0")
    assert (row["t_utc"], row["t_ns"]) == (clock(0.25), str(MINUTE_T0 + S // 4))
    assert row["t_utc"].endswith(".250Z")
    assert row["phase_id"] == "late"
    assert row["limit_density_critical_p_m2"] == "", "the phase that is in force has no such limit"


def test_a_map_tells_seen_from_unseen_from_no_ground():
    """Four cells of 10 m: dense, empty, unseen, and outside the walkable area."""
    site = replace(square(walkable=[[0, 0], [30, 0], [30, 10], [0, 10]], zone=[[0, 0], [9, 0], [9, 9], [0, 9]]))
    picture = MapPicture(site, np.zeros(2), 10.0, (1, 4), "run r")
    ground = picture._ground(np.array([[4.5, 0.0, NAN, NAN]]))
    edge = (ground.shape[1] - 4 * picture.cell_px) // 2
    ground, step = ground[edge:-edge, edge:-edge], picture.cell_px
    middle = [ground[step // 2, step * cell + step // 2 - 3] for cell in range(4)]
    assert tuple(middle[0]) == rgb(BAND_COLOURS[5])
    assert tuple(middle[1]) == rgb(GROUND)
    striped = ground[5:-5, 2 * step + 5 : 3 * step - 5].reshape(-1, 3)
    assert 0.2 < (striped == rgb(GREY)).all(axis=1).mean() < 0.45, "unknown is striped"
    outside = ground[5:-5, 3 * step + 5 :].reshape(-1, 3)
    assert (outside == rgb(OFF_SITE)).all(), "and what is no ground is not"
    whole = cv2.imdecode(np.frombuffer(picture.png(np.zeros((1, 4)), "Mean", "today"), np.uint8), cv2.IMREAD_COLOR)
    assert whole.shape[1] > ground.shape[1] + 150, "the legend stands beside it"


def test_names_of_many_zones_cover_neither_each_other_nor_the_edge():
    zones = tuple(
        replace(SITE.zones[0], zone_id=f"z{n}", name={"en": name}, polygon_m=SITE.zones[0].polygon_m + 0.5 * n)
        for n, name in enumerate(("A long name that does not fit", "北口", "[b]x[/b]", "South" * 30))
    )
    site = replace(SITE, zones=zones)
    picture = MapPicture(site, np.array([-6.0, -1.0]), 0.5, (22, 26))
    boxes = picture.plates()
    for number, (_, _, box) in enumerate(boxes):
        assert 0 <= box[0] < box[2] <= 26 * picture.cell_px + 24
        assert 0 <= box[1] < box[3] <= 22 * picture.cell_px + 24
        for _, _, other in boxes[:number]:
            assert box[2] < other[0] or box[0] > other[2] or box[3] < other[1] or box[1] > other[3]
    assert {text for text, _, _ in boxes} >= {"z1", "[b]x[/b]"}
