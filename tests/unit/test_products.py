"""Heatmaps and the series of zones, against maps that can be worked out by hand."""

import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from scenes import T0, S, every_second, fold, square, started

from crowdwatch.core.outcomes import DensityGrid
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.rendering.products import Products

MINUTE_T0 = T0 // (60 * S) * 60 * S
NAN = float("nan")
WHY = (Reason.of(Code.UNHEALTHY, "c", health="frozen"), Reason.of(Code.PARTLY_SEEN, visible_frac=0.25))


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
    products = Products(tmp_path, 1.0, "EPSG:32630", (500_000.0, 4_000_000.0))
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


def test_pictures_can_be_read_and_every_reading_is_in_the_csv(made):
    assert cv2.imread(str(made / "maximum.png")) is not None
    with (made / "zones.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 120
    assert {row["zone_id"] for row in rows} == {"z"}
    assert {row["reasons"] for row in rows} == {"camera c: the picture is frozen; 25% of the zone is seen"}
    assert not list(made.rglob("*.tmp"))
