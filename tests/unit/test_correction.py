"""Hand counts applied: sparse scenes are corrected, crowds that nobody audited are not lowered, intervals say so."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import T0, camera, fold, see, square, started

from crowdwatch.analytics.audit import applied, bias
from crowdwatch.analytics.correction import ends, said, weight
from crowdwatch.config import BiasSettings
from crowdwatch.config.sites import _bias
from crowdwatch.core.reasons import Code, Reason
from crowdwatch.core.records import Tick
from crowdwatch.core.runs import Audit
from crowdwatch.core.site import FACTOR_RANGE, Bias
from crowdwatch.errors import RecordError
from crowdwatch.sources.synthetic import lattice

SPREAD = np.array([[x, y] for x in (-3.0, 0.0, 3.0) for y in (0.5, 3.0, 5.5)])
"""Nine people, 0.2 p/m2, all in the zone."""


def lamp_posts(counts=30, *, lower=False, most_p_m2=0.4):
    """Six people counted where nine were found, as often as told."""
    entries = [Audit("c", k, 6, 9.0) for k in range(counts)]
    return applied(bias("c", entries), lower=lower, most_p_m2=most_p_m2)


def read(people, how):
    """The zone's reading of one picture with boxes for those people."""
    site = square(cameras=[replace(camera(), bias=how)])
    seen = see(T0, people, seq=0)
    return fold(started(site), [seen, Tick(T0, (seen.stamp.id,))])[1][0].readings[0]


@dataclass
class Picture:
    found: float
    densest_p_m2: float = 0.0
    factor: float = 1.0


def test_hand_counts_of_a_sparse_scene_do_not_lower_a_crowd():
    """The crowd of 5.0 p/m2 reads what it reads without hand counts, and its interval does not end lower."""
    crowd = lattice(5.0, -6.0, -2.0, 6.0, 8.0)
    plain, after = read(crowd, None), read(crowd, lamp_posts())
    assert plain.density_p_m2 == pytest.approx(5.0, rel=0.05)
    for name in ("count", "density_p_m2", "peak_p_m2"):
        assert getattr(after, name) == getattr(plain, name)
    assert after.count_high >= plain.count_high
    assert Reason.of(Code.NOT_LOWERED, "c", audits=30) in after.reasons
    assert all(reason.code not in (Code.CORRECTED, Code.SCALED) for reason in after.reasons)


def test_the_sparse_scene_that_was_audited_is_corrected():
    how = lamp_posts()
    reading = read(SPREAD, how)
    assert reading.count == pytest.approx(9 * how.factor + how.offset)
    assert reading.count == pytest.approx(6, abs=0.25)
    assert reading.count_low < 6 < reading.count_high
    assert Reason.of(Code.CORRECTED, "c", factor=how.factor, offset=how.offset, audits=30) in reading.reasons


def test_few_people_close_together_are_not_lowered():
    """Nine people as in the audits, but on 2 m2: a density that nobody audited."""
    close = np.array([[x, y] for x in (0.0, 0.5, 1.0) for y in (2.0, 2.5, 3.0)])
    assert read(close, lamp_posts()).count == 9
    assert read(close, lamp_posts(most_p_m2=1.0)).count == pytest.approx(6, abs=0.25), "audited as dense as that"


def test_few_hand_counts_lower_nothing():
    careful, asked = read(SPREAD, lamp_posts(29)), read(SPREAD, lamp_posts(29, lower=True))
    assert careful.count == 9
    assert careful.count_low < read(SPREAD, None).count_low, "but the interval reaches down to what was counted"
    assert asked.count < 6.5


def test_what_is_missed_in_every_picture_is_added_to_a_crowd_as_well():
    """Nine counted where six were found: the offset is 3, or less, whatever the number found."""
    entries = [Audit("c", k, 9, 6.0) for k in range(30)]
    how = applied(bias("c", entries), lower=False, most_p_m2=0.4)
    crowd = lattice(2.0, -6.0, -2.0, 6.0, 8.0)
    plain, after = read(crowd, None), read(crowd, how)
    found = len(crowd)
    assert after.count == pytest.approx(plain.count * (how.factor + how.offset / found))
    assert after.count > plain.count


biases = st.builds(
    lambda factor, offset, most_found, most_p_m2, lowers: Bias(
        factor, factor * 0.9, factor * 1.1, 30, offset, offset - 1, offset + 1, -0.5, most_found, most_p_m2, lowers
    ),
    st.floats(*FACTOR_RANGE),
    st.floats(-10, 10),
    st.none() | st.floats(0, 50),
    st.none() | st.floats(0, 5),
    st.booleans(),
)


@given(how=biases, found=st.floats(0.1, 100), more=st.floats(0, 50), p_m2=st.floats(0, 8), closer=st.floats(0, 3))
def test_more_people_found_are_never_fewer_counted(how, found, more, p_m2, closer):
    before = found * weight(how, found, p_m2)
    after = (found + more) * weight(how, found + more, p_m2 + closer)
    assert after >= before * (1 - 1e-12)


@given(how=biases, found=st.floats(0.1, 100), beyond=st.floats(1e-6, 50))
def test_nothing_is_lowered_beyond_what_was_audited(how, found, beyond):
    if how.most_found is not None:
        assert weight(how, how.most_found + beyond, 0.0) >= 1
    if how.most_p_m2 is not None:
        assert weight(how, found, how.most_p_m2 + beyond) >= 1
    if not how.lowers:
        assert weight(how, found, 0.0) >= 1
    assert FACTOR_RANGE[0] <= weight(how, found, 0.0) <= FACTOR_RANGE[1]


def test_a_factor_that_a_person_wrote_holds_for_every_picture():
    """As of a log that was written before there were offsets."""
    written = _bias(BiasSettings(factor=0.8, low=0.7, high=0.9, audits=30))
    assert written == Bias(0.8, 0.7, 0.9, 30)
    for people in (SPREAD, lattice(5.0, -6.0, -2.0, 6.0, 8.0)):
        plain, scaled = read(people, None), read(people, written)
        assert scaled.count == pytest.approx(0.8 * plain.count)
        assert Reason.of(Code.SCALED, "c", factor=0.8, audits=30) in scaled.reasons
    window = [Picture(n, 5.0, 0.8) for n in (3.0, 170.0, 9.0)]
    assert ends(written, window, 123.4, (0.0, 0.0)) == ((1 - 0.7 / 0.8) * 123.4, (0.9 / 0.8 - 1) * 123.4)


def test_the_ends_where_the_whole_picture_is_one_zone():
    """The error of f n + b, with the correlation of f and b; and none of the offset is elsewhere."""
    how = Bias(1.1, 0.9, 1.4, 30, -2.0, -4.0, -1.0, -0.6)
    n = 20.0
    g = weight(how, n, 0.0)
    assert g == said(how, n) == 1.0
    down, up = ends(how, [Picture(n, 0.0, g)], n * g, (0.0, 0.0))
    of_sum = [math.sqrt((n * f) ** 2 + b**2 - 1.2 * n * f * b) for f, b in ((0.2, 2.0), (0.3, 1.0))]
    assert down == pytest.approx(of_sum[0])
    assert up == pytest.approx(math.hypot(of_sum[1], 2.0)), "or the false ones are all outside the zone"


def test_the_ends_hold_what_was_said_where_nothing_is_lowered():
    how = Bias(0.7, 0.65, 0.75, 30, most_found=9.0)
    assert ends(how, [Picture(100.0, 0.2, 1.0)], 100.0, (5.0, 6.0)) == (pytest.approx(35.0), 6.0)
    assert ends(how, [Picture(9.0, 0.2, 0.7)], 6.3, (5.0, 6.0)) == (pytest.approx(0.45), pytest.approx(0.45))


def test_an_offset_out_of_order_is_refused():
    with pytest.raises(RecordError, match="offset"):
        Bias(1.0, 0.9, 1.1, 3, 2.0, 3.0, 4.0)
    with pytest.raises(ValueError, match="offset_low"):
        BiasSettings(factor=1.0, low=0.9, high=1.1, offset=-1.0, offset_low=0.0)
