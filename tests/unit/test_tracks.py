"""Tracks: people who stand apart are followed, in memory alone."""

from __future__ import annotations

import numpy as np
import pytest

from crowdwatch.analytics.tracks import LOST_S, NO_TRACKS, Tracks, follow

NS = 1_000_000_000


def walked(
    paths: list[tuple[tuple[float, float], tuple[float, float]]], seconds: float, hz: float, *, seed: int = 0,
    recall: float = 1.0, noise_m: float = 0.1,
) -> Tracks:  # fmt: skip
    rng, tracks = np.random.default_rng(seed), NO_TRACKS
    start, v = (np.array(each) for each in zip(*paths, strict=True))
    for frame in range(round(seconds * hz)):
        at = start + v * frame / hz + rng.normal(0, noise_m, start.shape)
        at = at[rng.random(len(at)) < recall]
        tracks = follow(tracks, round(frame / hz * NS), at, np.full(len(at), 0.15), np.full(len(at), 0.9), 0.25)
    return tracks


@pytest.mark.parametrize("hz", [2, 7])
def test_two_who_pass_each_other_keep_their_ways(hz: float) -> None:
    tracks = walked([((0, 0), (1.3, 0)), ((12, 0.8), (-1.3, 0))], 8, hz)
    assert tracks.number.tolist() == [0, 1]
    assert tracks.v_m_s[:, 0] == pytest.approx([1.3, -1.3], abs=0.3)


def test_missed_boxes_break_no_track() -> None:
    tracks = walked([((0, 2.0 * k), (1.2, 0)) for k in range(5)], 20, 5, recall=0.7)
    assert tracks.sure.sum() == 5
    assert tracks.next_number <= 6  # one was missed too often while it was new


def test_who_is_gone_is_forgotten() -> None:
    tracks = walked([((0, 0), (1, 0))], 3, 5)
    nobody = np.empty((0, 2))
    for frame in range(15, 15 + round(5 * LOST_S) + 2):
        tracks = follow(tracks, frame * NS // 5, nobody, np.empty(0), np.empty(0), 0.25)
    assert len(tracks) == 0
    assert tracks.next_number == 1


def test_a_low_score_keeps_a_track_and_begins_none() -> None:
    tracks = walked([((0, 0), (0, 0))], 2, 5)
    for frame in range(10, 30):
        at = np.array([[0.0, 0.0], [5.0, 5.0]])
        tracks = follow(tracks, frame * NS // 5, at, np.full(2, 0.15), np.full(2, 0.15), 0.25)
    assert tracks.number.tolist() == [0]


def test_two_boxes_on_one_person_are_one() -> None:
    tracks = NO_TRACKS
    for frame in range(10):
        at = np.array([[0.0, 0.0], [0.1, 0.1]])
        tracks = follow(tracks, frame * NS // 5, at, np.full(2, 0.15), np.array([0.9, 0.5]), 0.25)
    assert tracks.sure.sum() <= 2
    assert len(tracks) <= 2


def test_unknown_positions_are_nobody_and_old_pictures_change_nothing() -> None:
    tracks = follow(NO_TRACKS, NS, np.array([[np.nan, np.nan]]), np.array([np.nan]), np.array([0.9]), 0.25)
    assert len(tracks) == 0
    tracks = walked([((0, 0), (1, 0))], 2, 5)
    again = follow(tracks, 0, np.array([[9.0, 9.0]]), np.array([0.1]), np.array([0.9]), 0.25)
    assert again is tracks


def test_the_order_of_boxes_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    one, other = NO_TRACKS, NO_TRACKS
    for frame in range(20):
        at = np.stack([np.arange(8) * 1.5, np.full(8, 1.2 * frame / 5)], axis=1) + rng.normal(0, 0.1, (8, 2))
        order = rng.permutation(8)
        one = follow(one, frame * NS // 5, at, np.full(8, 0.1), np.full(8, 0.9), 0.25)
        other = follow(other, frame * NS // 5, at[order], np.full(8, 0.1), np.full(8, 0.9), 0.25)
    found = np.sort(one.xy_m[:, 0]), np.sort(other.xy_m[:, 0])
    assert found[0] == pytest.approx(found[1])
