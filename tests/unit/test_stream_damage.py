"""Pictures that lean on a damaged one, with and without pictures that are shown in another order than decoded."""

from crowdwatch.sources.live.damage import LEANS_S, Damage


def test_what_was_decoded_before_the_keyframe_stays_damaged_when_it_is_shown_behind_it() -> None:
    damage = Damage()
    damage.packet(0.0, key=True, lossy=False, pts=0)
    assert damage.whole(0)
    damage.packet(0.1, key=False, lossy=False, pts=3)
    damage.found(0.1)
    damage.packet(0.2, key=False, lossy=False, pts=1)
    assert not damage.whole(1)
    damage.packet(0.3, key=True, lossy=False, pts=6)
    assert [damage.whole(pts) for pts in (2, 3, 6, 7)] == [False, False, True, True]


def test_a_keyframe_that_is_damaged_heals_nothing() -> None:
    damage = Damage()
    damage.packet(0.0, key=False, lossy=True, pts=0)
    damage.packet(0.1, key=True, lossy=True, pts=1)
    assert not damage.whole(1)
    damage.packet(0.2, key=True, lossy=False, pts=2)
    damage.found(0.2)
    assert not damage.whole(2)
    assert not damage.whole(3)


def test_without_keyframes_a_rolling_refresh_has_healed_it_after_a_while() -> None:
    damage = Damage()
    damage.packet(0.0, key=False, lossy=True, pts=0)
    damage.packet(LEANS_S - 0.1, key=False, lossy=False, pts=1)
    assert not damage.whole(1)
    damage.packet(LEANS_S + 0.1, key=False, lossy=False, pts=2)
    assert damage.whole(2)
