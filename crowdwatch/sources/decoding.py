"""Packets and pictures of a recording from any packet on: what comes is told by the number of its packet.

Every packet is given its number in the place of its time stamp, so that each decoded picture says which packet it came
from, in whatever order and however late the decoder shows it. Times come from the index alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from crowdwatch.sources import container as opening
from crowdwatch.sources.index import PacketIndex
from crowdwatch.sources.seeking import packets_from

__all__ = ["Footage", "first_rank"]

PROBED_PACKETS = 64
"""Packets whose order of showing is looked at where their stamps may be those of decoding."""

LEANS_S = 10
"""Pictures behind a damaged one lean on it until the next keyframe, and where none comes no longer than this."""

LEADING_LEAN = {"h264"}
"""Codecs whose decoder shows pictures before the first keyframe as if they were whole."""


def first_rank(index: PacketIndex, shown: Iterable[tuple[int, bool]], errors: int) -> int | None:
    """The rank of the first picture that can be decoded; None where none of those shown is one.

    Pictures shown before the first keyframe lean on what is not there, unless the decoder knows better. A decoder that
    begins without an error and late, waits until a rolling refresh has come round.

    Args:
        index: of the packets.
        shown: packets in the order in which a decoder that began at ``index.begin`` showed them, and whether each is
            damaged.
        errors: packets that it could not decode.
    """
    key = int(index.rank[index.begin])
    for number, damaged in shown:
        rank = index.ranks[number]
        if rank >= 0 and (rank >= key or not (damaged or index.codec in LEADING_LEAN)):
            return key if errors and rank > key >= 0 else rank
    return None


@dataclass(frozen=True, slots=True)
class Footage:
    """One video stream of one file, with what was found in it.

    Args:
        path: the file.
        number: of the video stream; None for the only one.
        index: of its packets.
        keyframes_only: decode keyframes alone.
        first: rank of the first picture that can be decoded.
    """

    path: Path
    number: int | None
    index: PacketIndex
    keyframes_only: bool = False
    first: int = 0

    def head(self) -> tuple[int, VideoFrame] | None:
        """The rank of the first picture that can be decoded, and a picture; None where there is none."""
        session = _Session(self, self.index.begin, self.index.stop, threads=False)
        with closing(session.pictures()) as pictures:
            for number, frame in pictures:
                first = first_rank(self.index, [(number, frame.is_corrupt)], session.errors)
                if first is not None:
                    return first, frame
        return None

    def disordered(self) -> bool:
        """Whether the decoder shows the first pictures in another order than that of their stamps."""
        index, last = self.index, -1
        stop = min(index.stop, index.begin + PROBED_PACKETS)
        try:
            for number, _ in _Session(self, index.begin, stop, threads=True).pictures():
                if index.rank[number] < last:
                    return True
                last = index.ranks[number]
        except FFmpegError:
            return False
        return False

    def shown(self) -> list[int]:
        """Packets in the order in which the decoder shows their pictures: all of them, decoded once."""
        span = self.index.begin, self.index.stop
        try:
            return [number for number, _ in _Session(self, *span, threads=True).pictures()]
        except FFmpegError:
            return [number for number, _ in _Session(self, *span, threads=False).pictures()]

    def pictures(self, start: int) -> Generator[tuple[int, VideoFrame | None]]:
        """Pictures in the order of showing from the picture of a keyframe on, each with the number of its packet.

        None stands for a picture that is lost: its packet is damaged, or it leans on one that is. A picture waits until
        those that were decoded before it have been shown: a B-frame is shown before the one that it leans on.

        Args:
            start: packet of the keyframe.
        """
        damage, waiting = _Damage(self.index), deque[tuple[int, VideoFrame | None]]()
        due = self.first if start == self.index.begin else int(self.index.rank[start])
        low, stop, came = start, self.index.stop, set[int]()
        for number, frame in self._told(start, due, damage):
            waiting.append((number, frame))
            came.add(number)
            while low in came or (low < stop and not self._expected(low, due)):
                came.discard(low)
                low += 1
            while waiting and waiting[0][0] <= low:
                yield _judged(*waiting.popleft(), damage)
        for number, frame in waiting:
            yield _judged(number, frame, damage)

    def _told(self, start: int, due: int, damage: _Damage) -> Generator[tuple[int, VideoFrame | None]]:
        """Pictures as they are shown, and None for those that never come; damage is noted."""
        with closing(self._decoded(start, due)) as decoded:
            for number, frame in decoded:
                rank = self.index.ranks[number]
                for missing in self._awaited(due, rank):
                    damage.add(missing)
                    yield missing, None
                if frame.is_corrupt:
                    damage.add(number)
                yield number, frame
                due = rank + 1
        for missing in self._awaited(due, len(self.index.by_rank)):
            damage.add(missing)
            yield missing, None

    def _expected(self, number: int, due: int) -> bool:
        """Whether a packet's picture is shown from the rank ``due`` on."""
        return self.index.ranks[number] >= due and (not self.keyframes_only or bool(self.index.key[number]))

    def _awaited(self, begin: int, end: int) -> list[int]:
        """Packets whose pictures have these ranks, as far as they should come."""
        if begin >= end:
            return []
        due: list[int] = self.index.by_rank[begin:end].tolist()
        return [number for number in due if self.index.key[number]] if self.keyframes_only else due

    def _decoded(self, start: int, due: int) -> Generator[tuple[int, VideoFrame]]:
        """What the decoder shows, by rising rank from ``due`` on.

        All cores decode. Around a damaged packet one does, so that no picture beside it is lost, and the same ones are
        on every machine; behind it another decoder begins, because threads keep what the damage did to them (measured:
        libavcodec 62 showed wrong pictures 21 packets later, behind a keyframe, without a word).
        """
        index, at, threads, until = self.index, start, True, self.index.stop
        while at < index.stop:
            session = _Session(self, at, index.stop, threads=threads)
            damaged = -1
            try:
                with closing(session.pictures()) as pictures:
                    for number, frame in pictures:
                        rank = index.ranks[number]
                        if not threads and number >= until:
                            break
                        if rank < due:
                            continue
                        if threads and (frame.is_corrupt or self._awaited(due, rank)):
                            damaged = max([number, *self._awaited(due, rank)])
                            break
                        due = rank + 1
                        yield number, frame
            except FFmpegError:
                damaged = session.fed
            if damaged >= 0:
                until = self._key_after(damaged)
                at = max(start, index.key_of(due - 1)) if due > index.rank[start] else start
                threads = False
            elif threads:
                return
            else:
                at, threads = until, True

    def _key_after(self, packet: int) -> int:
        found = self.index.key_after(packet)
        while found < self.index.stop and self.index.rank[found] < 0:
            found = self.index.key_after(found)
        return found


def _judged(number: int, frame: VideoFrame | None, damage: _Damage) -> tuple[int, VideoFrame | None]:
    return number, None if damage.reaches(number) else frame


@dataclass(slots=True)
class _Damage:
    """Which pictures lean on damaged ones: those decoded after it until the next keyframe, and those shown before that
    keyframe that are decoded behind it."""

    index: PacketIndex
    spans: list[tuple[int, int]] = field(default_factory=list)

    def add(self, packet: int) -> None:
        if self.reaches(packet):
            return
        longest = packet + max(1, round(LEANS_S / self.index.step_s))
        self.spans = [*self.spans[-3:], (packet, min(self.index.key_after(packet), longest))]

    def reaches(self, packet: int) -> bool:
        if not self.spans:
            return False
        rank = self.index.ranks
        return any(
            begin <= packet < end or (packet > end and end < len(self.index) and rank[packet] < rank[end])
            for begin, end in self.spans
        )


@dataclass(slots=True)
class _Session:
    """One decoder over the packets ``start`` to ``stop``.

    ``fed`` is the last packet that it was given. Threads make pictures faster; an error then belongs to a packet some
    way back, and is raised. Without them the packet is left out and decoding goes on.
    """

    footage: Footage
    start: int
    stop: int
    threads: bool
    fed: int = -1
    errors: int = 0

    def pictures(self) -> Generator[tuple[int, VideoFrame]]:
        """Number of the packet, and its picture, in the order of showing."""
        with closing(opening.open_container(self.footage.path)) as container:
            stream = opening.video_stream(container, self.footage.path, self.footage.number)
            decoder = stream.codec_context
            if self.threads:
                stream.thread_type = "AUTO"
            else:
                decoder.thread_count = 1
            if self.footage.keyframes_only:
                decoder.skip_frame = "NONKEY"
            for number, packet in packets_from(
                self.footage.path, self.footage.number, self.footage.index, container, stream, self.start, self.stop
            ):
                packet.pts, packet.dts = number, None
                self.fed = number
                yield from self._shown(stream, packet)
            yield from self._shown(stream, None)

    def _shown(self, stream: VideoStream, packet: Packet[Any] | None) -> Iterator[tuple[int, VideoFrame]]:
        try:
            frames = stream.codec_context.decode(packet)
        except FFmpegError:
            if self.threads:
                raise
            self.errors += 1
            return
        for frame in frames:
            if frame.pts is not None:
                yield frame.pts, frame
