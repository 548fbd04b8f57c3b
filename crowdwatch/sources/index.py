"""What a recording holds, found by reading its packets once to the end: nothing that it declares is believed.

A packet's place in the file is its number. The time of its picture, and that picture's number in the order of showing,
stand here, so that a part of the recording is the same however it is reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from crowdwatch.sources import container as opening
from crowdwatch.sources.timeline import NONE, joint, mended, step_of, unwrapped

__all__ = ["CLOCKLESS", "COUNTERS", "DECODING_TIMES", "PacketIndex", "Shown"]

Ints = NDArray[np.int64]

COUNTERS = {"mpegts": 33, "mpeg": 33, "hls": 33}
"""Formats whose clock is a counter that starts again, and its bits."""

LONGEST_S = {"mpegts": 3600, "mpeg": 3600, "hls": 3600}
"""A step forward by more is a clock that was set, not a pause. A counter of 26.5 h that jumps back by hours looks like
one that jumps forward by the rest."""

LONGEST_ELSE_S = 86_400

CLOCKLESS = {
    "h264",
    "hevc",
    "vvc",
    "mjpeg",
    "m4v",
    "mpegvideo",
    "obu",
    "h263",
    "h261",
    "vc1",
    "cavsvideo",
    "mjpeg_2000",
}
"""Formats that hold pictures and no time."""

DECODING_TIMES = {"avi"}
"""Formats whose time stamps count packets in the order of decoding."""

REORDERING = {"h264", "hevc", "vvc"}
"""Codecs whose order of showing only their decoder knows where the container does not say it."""

IN_ORDER = {"mjpeg", "vp8", "vp9", "av1", "ffv1", "rawvideo", "huffyuv", "ffvhuff", "prores", "png", "h263", "flv1"}
"""Codecs that show pictures in the order of decoding."""

MOST_REORDER = 64
FINER = 1000
"""Parts of a tick in which mended times are given."""

SLACK_S = Fraction(1, 2)
SLACK_FRAMES = 2
"""Containers round their declared length: less that is missing is no truncation."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The order in which a decoder showed the pictures of the packets, where the container does not tell it.

    Args:
        order: numbers of packets, in the order of showing.
    """

    order: Ints


@dataclass(frozen=True)
class PacketIndex:
    """The packets of one stream.

    Args:
        name: of the format.
        codec: of the pictures.
        time_base: seconds of a container tick.
        pts, dts: time stamps in ticks, as the file gives them; ``NONE`` where it does not.
        duration: of every packet, in ticks; 0 where it is not said.
        size, pos: bytes, and where they begin; -1 where it is not known.
        mark: of :func:`crowdwatch.sources.container.fingerprint`.
        key: whether decoding can begin there.
        hidden: whether its picture is not to be shown, or it holds none.
        declared_rate: frames per second, as the file says.
        declared_frames: as the header says; 0 where it does not.
        declared_s: length, as the header says; None where it does not.
        end_s: length of the longest other stream that was read; None without one.
        reorders: whether the decoder keeps pictures back.
        aspect: width of a pixel through its height.
        shown: the order of showing, where it was asked of the decoder.
        disordered: whether the stamps are those of decoding, because the decoder shows the pictures in another order.
    """

    name: str
    codec: str
    time_base: Fraction
    pts: Ints
    dts: Ints
    duration: Ints
    size: Ints
    pos: Ints
    mark: Ints
    key: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    declared_rate: Fraction
    declared_frames: int
    declared_s: Fraction | None
    end_s: Fraction | None
    reorders: bool
    aspect: Fraction
    shown: Shown | None = field(default=None)
    disordered: bool = False

    def __len__(self) -> int:
        return len(self.size)

    @property
    def clockless(self) -> bool:
        """Whether the format holds no time, so that its rate is only said."""
        return self.name in CLOCKLESS

    @cached_property
    def _clock(self) -> tuple[Ints, Ints]:
        """PTS and DTS without wraps."""
        bits = COUNTERS.get(self.name)
        return (self.pts, self.dts) if bits is None else (unwrapped(self.pts, bits), unwrapped(self.dts, bits))

    @cached_property
    def stop(self) -> int:
        """How many packets are used: those before the clock starts again."""
        pts, dts = self._clock
        longest = round(LONGEST_S.get(self.name, LONGEST_ELSE_S) / self.time_base)
        found = joint(dts, longest, 1) if (dts != NONE).all() else joint(pts, longest)
        return len(self) if found is None else found

    @property
    def jumps(self) -> bool:
        """Whether the clock starts again before the end."""
        return self.stop < len(self)

    @cached_property
    def begin(self) -> int:
        """The first packet at which decoding can begin; 0 where none says so."""
        keys = np.flatnonzero(self.key[: self.stop])
        return int(keys[0]) if len(keys) else 0

    @cached_property
    def needs_order(self) -> bool:
        """Whether the order of showing must be asked of the decoder."""
        if self.codec in IN_ORDER:
            return False
        seen = np.flatnonzero(~self.hidden[: self.stop])
        pts = self._clock[0][seen]
        if (pts == NONE).any() or len(np.unique(pts)) < len(pts):
            return True
        if self.name in DECODING_TIMES and self.codec in REORDERING and self.reorders:
            return True
        if self.disordered:
            return True
        moved = np.argsort(pts, kind="stable") - np.arange(len(pts))
        return bool(len(pts)) and int(np.abs(moved).max()) > MOST_REORDER

    @property
    def doubtful(self) -> bool:
        """Whether stamps rise from packet to packet although the decoder may show the pictures in another order."""
        pts = self._clock[0][: self.stop]
        return self.reorders and self.codec in REORDERING and not self.needs_order and bool((np.diff(pts) > 0).all())

    @cached_property
    def by_rank(self) -> Ints:
        """Packets in the order of showing: pictures from ``begin`` on that are shown."""
        if self.shown is not None:
            return self.shown.order
        seen = np.arange(self.begin, self.stop)[~self.hidden[self.begin : self.stop]]
        if self.codec in IN_ORDER:
            return seen
        return seen[np.argsort(self._clock[0][seen], kind="stable")]

    @cached_property
    def rank(self) -> Ints:
        """Number of every packet's picture in the order of showing; -1 where none is shown."""
        ranks = np.full(len(self), -1, np.int64)
        ranks[self.by_rank] = np.arange(len(self.by_rank))
        return ranks

    @cached_property
    def ranks(self) -> list[int]:
        """The same as a list, which is faster to look up one by one."""
        found: list[int] = self.rank.tolist()
        return found

    @cached_property
    def _times(self) -> tuple[Ints, NDArray[np.float64], Fraction, Fraction]:
        """By rank: times after the first in finer ticks, their standard errors in seconds; then the finer tick and the
        usual distance of pictures in seconds."""
        stamps = self._clock[0][self.by_rank]
        if self.clockless:
            step = self._said_step
            at = np.arange(len(stamps))
            tick = step / FINER
            return at * FINER, np.full(len(at), float(step) / 12**0.5), tick, step
        if self.shown is not None and (self.disordered or self.name in DECODING_TIMES):
            slots = np.sort((self.dts if self.name in DECODING_TIMES else self._clock[0])[self.by_rank])
            step = self._step(step_of(slots))
            sigma = np.full(len(slots), float(step) / 12**0.5)
            return slots - slots[:1], sigma, self.time_base, step
        if (stamps != NONE).all() and (np.diff(stamps) > 0).all():
            return stamps - stamps[:1], np.zeros(len(stamps)), self.time_base, self._step(step_of(stamps))
        step = self._mended_step(stamps)
        fine, away = mended(np.where(stamps == NONE, NONE, stamps * FINER), float(step / self.time_base) * FINER)
        return fine - fine[:1], away * float(self.time_base) / FINER, self.time_base / FINER, step

    def _step(self, ticks: float) -> Fraction:
        """The usual distance in seconds: as declared where what was found agrees to a tick."""
        declared = 1 / self.declared_rate
        if np.isnan(ticks) or abs(ticks - float(declared / self.time_base)) <= 1:
            return declared
        return Fraction(ticks).limit_denominator(1000) * self.time_base

    @property
    def _said_step(self) -> Fraction:
        """The distance that packets say, else the declared one."""
        said = self.duration[self.duration > 0]
        return Fraction(int(np.median(said))) * self.time_base if len(said) else 1 / self.declared_rate

    def _mended_step(self, stamps: Ints) -> Fraction:
        """The distance that fits stamps of which some lack."""
        places = np.flatnonzero(stamps != NONE)
        rising = places[np.concatenate([[True], np.diff(np.maximum.accumulate(stamps[places])) > 0])]
        if len(rising) < 2:
            return self._said_step
        each = np.diff(stamps[rising]) / np.diff(rising)
        said = float(self._said_step / self.time_base)
        found = float(np.median(each))
        agreed = (np.abs(each - said) <= 1).any()  # no chance: stamps are counted in 1/90,000 s where some lack
        return self._said_step if agreed or found <= 0 else self._step(found)

    @property
    def ticks(self) -> Ints:
        """By rank: time after the first picture, in :attr:`tick_s`."""
        return self._times[0]

    @property
    def sigma_s(self) -> NDArray[np.float64]:
        """By rank: standard error of the time; 0 where the picture has a stamp of its own."""
        return self._times[1]

    @property
    def tick_s(self) -> Fraction:
        """Seconds of a tick of :attr:`ticks`."""
        return self._times[2]

    @property
    def step_s(self) -> Fraction:
        """The usual distance of pictures."""
        return self._times[3]

    @cached_property
    def varies(self) -> bool:
        """Whether the distances differ by more than a container rounds."""
        if len(self.ticks) < 3:
            return False
        return float(np.ptp(np.diff(self.ticks)) * self.tick_s) > 1.5 * float(max(self.time_base, self.tick_s))

    @property
    def found_s(self) -> Fraction:
        """Time from the first picture to the end of the last one."""
        return int(self.ticks[-1]) * self.tick_s + self.step_s if len(self.ticks) else Fraction(0)

    @property
    def behind_s(self) -> Fraction:
        """How long the footage behind the joint lasts at least."""
        return (len(self) - self.stop) * self.step_s

    @property
    def missing_s(self) -> Fraction:
        """How much of a declared length is not there; 0 where all is, or more."""
        if self.declared_s is None or self.jumps:
            return Fraction(0)
        fewer = not self.declared_frames or self.declared_frames - len(self) > SLACK_FRAMES
        if self.name in DECODING_TIMES and self.declared_frames:  # its length is worked out from the file's end
            return (self.declared_frames - len(self)) * self.step_s if fewer else Fraction(0)
        end_s = max(self.found_s, self.end_s or Fraction(0))
        missing = self.declared_s - end_s
        slack = SLACK_FRAMES * self.step_s if self.declared_frames else max(SLACK_S, SLACK_FRAMES * self.step_s)
        return missing if fewer and missing > slack else Fraction(0)

    @property
    def beyond(self) -> str | None:
        """What was declared and what was found, where more was found; None where they agree."""
        more = self.declared_frames and len(self) - self.declared_frames > SLACK_FRAMES
        longer = self.declared_s is not None and self.found_s - self.declared_s > max(SLACK_S, 2 * self.step_s)
        if not more and not longer:
            return None
        said = [f"{self.declared_frames} frames"] if self.declared_frames else []
        said += [f"{float(self.declared_s):.1f} s"] if self.declared_s is not None else []
        return f"declares {' and '.join(said)}, holds {len(self.by_rank)} frames and {float(self.found_s):.1f} s"

    def key_before(self, packet: int) -> int:
        """The last packet up to this one, from ``begin`` on, at which decoding can begin."""
        keys = np.flatnonzero(self.key[self.begin : packet + 1])
        return self.begin + int(keys[-1]) if len(keys) else self.begin

    def key_of(self, rank: int) -> int:
        """The last packet at which decoding can begin so that the picture of this rank is whole."""
        found = self.key_before(int(self.by_rank[rank]))
        while found > self.begin and not 0 <= self.rank[found] <= rank:
            found = self.key_before(found - 1)
        return found

    def key_after(self, packet: int) -> int:
        """The first packet behind this one at which decoding can begin; ``stop`` where there is none."""
        keys = np.flatnonzero(self.key[packet + 1 : self.stop])
        return packet + 1 + int(keys[0]) if len(keys) else self.stop

    @cached_property
    def places(self) -> dict[tuple[int, int, int], int]:
        """Number of every packet that is told by its content and position."""
        found: dict[tuple[int, int, int], int] = {}
        for number, told in enumerate(zip(self.size.tolist(), self.mark.tolist(), self.pos.tolist(), strict=True)):
            found[told] = -1 if told in found else number
        return {told: number for told, number in found.items() if number >= 0}

    def is_packet(self, number: int, packet: Packet[Any], *, whole: bool = True) -> bool:
        """Whether a packet is the one of this number: by its size, and, with ``whole``, by its content."""
        if int(self.size[number]) != packet.size:
            return False
        return not whole or int(self.mark[number]) == opening.fingerprint(packet)

    def ordered(self, shown: Iterable[int]) -> PacketIndex:
        """With the order in which the decoder showed the packets' pictures.

        A packet whose picture never came takes its place behind the pictures of the packets before it, so that it can
        be missed; where every other one never came, two packets hold the two fields of one picture.
        """
        order = np.fromiter(shown, np.int64)
        due = np.setdiff1d(np.flatnonzero(~self.hidden[: self.stop]), order)
        due = due[due >= self.begin]
        if len(due) < 0.4 * (len(order) + len(due)) and len(order):
            after = [int(np.argmax(order > each)) if (order > each).any() else len(order) for each in due]
            order = np.insert(order, after, due)
        return replace(self, shown=Shown(order))
