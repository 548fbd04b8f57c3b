"""Reasons: a code carries its values, all of them and no others, and comes back from JSON as it was."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowdwatch.core.reasons import (
    ESTIMATOR_FAULTS,
    NESTING,
    OF_CAMERA,
    VALUES,
    Code,
    Reason,
    reasons_from_json,
    reasons_to_json,
)
from crowdwatch.core.service import level_of_service
from crowdwatch.core.site import Quantity, ZoneKind
from crowdwatch.errors import RecordError

KINDS = {str: st.text(), int: st.integers(), float: st.floats()}


@st.composite
def reasons(draw, depth=1):
    code = draw(st.sampled_from(Code))
    values = {name: draw(KINDS[kind]) for name, kind in VALUES[code].items()}
    camera_id = draw(st.text(min_size=1)) if code in OF_CAMERA else ""
    because = draw(st.lists(reasons(depth - 1), max_size=3)) if code in NESTING and depth else []
    return Reason.of(code, camera_id, because=because, **values)


@given(st.lists(reasons(), max_size=4))
@settings(deadline=None)
def test_reasons_come_back_from_json(said):
    text = reasons_to_json(said)
    assert repr(reasons_from_json(text)) == repr(tuple(said))  # repr: NaN is not equal to itself
    assert reasons_to_json(reasons_from_json(text)) == text


def test_values_are_plain_and_in_one_order():
    one = Reason.of(Code.SCALED, "c", factor=np.float32(1.5), audits=np.int64(3))
    other = Reason(Code.SCALED, "c", (("factor", 1.5), ("audits", 3)))
    assert one == other
    assert hash(one) == hash(other)
    assert [type(value) for _, value in one.values] == [int, float]
    said = Reason.of(Code.LIMIT_UNKNOWN, quantity=Quantity.DENSITY, limit=2, unit="p/m2", delay_s=5)
    assert type(dict(said.values)["quantity"]) is str
    assert reasons_to_json([Reason.of(Code.PARTLY_SEEN, visible_frac=math.nan)]) == (
        '[{"code":"partly_seen","values":{"visible_frac":null}}]'
    )


@pytest.mark.parametrize(
    "made",
    [
        lambda: Reason.of(Code.SCALED, "c", factor=1.5),
        lambda: Reason.of(Code.SCALED, factor=1.5, audits=3),
        lambda: Reason.of(Code.NO_PICTURE, "c"),
        lambda: Reason.of(Code.NO_PICTURE, frac=0.5),
        lambda: Reason.of(Code.NO_PICTURE, because=[Reason.of(Code.NO_CAMERA)]),
    ],
)
def test_what_a_code_does_not_carry_is_refused(made):
    with pytest.raises(RecordError, match="reason"):
        made()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "5",
        "[5]",
        '[{"code":"it rains"}]',
        '[{"code":"scaled"}]',
        '[{"code":"text","values":{"text":"a","b":1}}]',
    ],
)
def test_what_is_no_reason_is_refused(text):
    with pytest.raises(RecordError, match="cannot be read"):
        reasons_from_json(text)


def test_what_an_observation_may_say_needs_nothing_but_its_camera():
    for code in ESTIMATOR_FAULTS:
        assert Reason.of(code, "c").values == ()


@pytest.mark.parametrize(
    ("kind", "ends"),
    [  # p/m2 at which A to E end, from the square metres of a person that textbooks print
        (ZoneKind.MOVING, (1 / 3.25, 1 / 2.32, 1 / 1.39, 1 / 0.93, 1 / 0.46)),
        (ZoneKind.STANDING, (1 / 1.21, 1 / 0.93, 1 / 0.65, 1 / 0.28, 1 / 0.19)),
        (ZoneKind.STAIRS, (1 / 1.86, 1 / 1.39, 1 / 0.93, 1 / 0.65, 1 / 0.37)),
    ],
)
def test_levels_of_service_change_where_fruin_says(kind, ends):
    """Square metres are printed with two digits, 0.005 m2 off at most: 3 % of the smallest space."""
    for number, end in enumerate(ends):
        assert level_of_service(kind, end * 0.97) == "ABCDEF"[number]
        assert level_of_service(kind, end * 1.03) == "ABCDEF"[number + 1]


def test_an_unknown_density_has_no_level_of_service():
    assert level_of_service(ZoneKind.MOVING, math.nan) == ""
    assert level_of_service(ZoneKind.MOVING, math.inf) == "F"
