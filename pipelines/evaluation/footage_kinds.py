"""The kinds of film that are measured: codec, container, order of the pictures, what the header says, where it was cut,
and what befell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av

from pipelines.evaluation.footage_films import (
    FRAMES,
    GOP,
    Film,
    Recipe,
    copied,
    damage,
    encode,
    tick_s,
    without_header,
    wrapped,
)

__all__ = ["Kind", "kinds"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name, and what makes a film of it in a folder."""

    name: str
    make: Callable[[Path], Film]


H264, HEVC, MPEG4, MPEG2 = "libx264", "libx265", "mpeg4", "mpeg2video"

PLAIN = [
    *(Recipe(H264, ending, b) for ending in ("mp4", "mov", "mkv", "flv", "avi", "h264", "nut") for b in (0, 2)),
    *(Recipe(H264, "ts", b, container="mpegts") for b in (0, 2)),
    *(Recipe(H264, "mpg", b, 25, container="vob") for b in (0, 2)),
    *(Recipe(HEVC, ending, b) for ending in ("mp4", "mkv", "hevc") for b in (0, 2)),
    *(Recipe(HEVC, "ts", b, container="mpegts") for b in (0, 2)),
    *(Recipe(MPEG4, ending, b) for ending in ("mp4", "mkv", "avi") for b in (0, 2)),
    *(
        Recipe(MPEG2, ending, b, 25, container=name)
        for ending, name in (("mpg", None), ("ts", "mpegts"))
        for b in (0, 2)
    ),
    *(Recipe("mjpeg", ending, pixels="yuvj420p") for ending in ("avi", "mov", "mkv")),
    Recipe("mjpeg", "mjpeg", rate=25, container="mjpeg", pixels="yuvj420p"),
    *(Recipe(codec, "webm") for codec in ("libvpx", "libvpx-vp9")),
    *(Recipe("libsvtav1", ending) for ending in ("mkv", "mp4", "ivf")),
    Recipe("wmv2", "wmv"),
    Recipe("flv", "flv"),
    Recipe("ffv1", "mkv", pixels="yuv420p"),
    Recipe("prores", "mov", pixels="yuv422p10le"),
]

CLOCKLESS = ("h264", "hevc", "mjpeg")


def kinds() -> list[Kind]:
    """Every kind."""
    return [*_plain(), *_lengths(), *_cuts(), *_clocks(), *_orders(), *_damaged(), *_shortened()]


def _film(path: Path, rate: int, numbers: range = range(FRAMES), **more: float | bool) -> Film:
    times_s = [(number - numbers[0]) / rate for number in numbers]
    film = Film(path, list(numbers), times_s, tick_s(path))
    return replace(film, **more)  # type: ignore[arg-type]


def _name(recipe: Recipe, *more: str) -> str:
    container = {"vob": "ps", "mpegts": "ts"}.get(recipe.container or "", recipe.ending)
    b_frames = " b" if recipe.b_frames else ""
    return ", ".join((f"{recipe.codec.removeprefix('lib')} {container}{b_frames}", *more))


def _plain() -> Iterator[Kind]:
    for recipe in PLAIN:

        def make(folder: Path, recipe: Recipe = recipe) -> Film:
            path = encode(folder / "plain", recipe)
            odd = recipe.ending in CLOCKLESS or (
                recipe.ending == "avi" and recipe.codec == H264 and recipe.b_frames > 0
            )
            return _film(path, recipe.rate, is_odd=odd or recipe.container == "vob")

        yield Kind(_name(recipe), make)


def _lengths() -> Iterator[Kind]:
    """The header says no length, or a wrong one."""
    open_ended = [
        (Recipe(H264, "mp4", b, muxer={"movflags": flags}), words, odd)
        for b in (0, 2)
        for flags, words, odd in (
            ("frag_keyframe", "first fragment declared", True),
            ("frag_keyframe+empty_moov", "fragments, nothing declared", False),
        )
    ]
    open_ended += [(Recipe(H264, "mkv", b, muxer={"live": "1"}), "no length", False) for b in (0, 2)]
    open_ended += [(Recipe("libvpx-vp9", "webm", muxer={"live": "1"}), "no length", False)]
    open_ended += [(Recipe(H264, "flv", muxer={"flvflags": "no_duration_filesize"}), "no length", False)]
    for recipe, words, odd in open_ended:

        def make(folder: Path, recipe: Recipe = recipe, odd: bool = odd) -> Film:
            return _film(encode(folder / "open", recipe), recipe.rate, is_odd=odd)

        yield Kind(_name(recipe, words), make)
    for codec, pixels in (("mjpeg", "yuvj420p"), (MPEG4, "yuv420p"), (H264, "yuv420p")):
        for count in (0, 60):

            def dead(folder: Path, codec: str = codec, pixels: str = pixels, count: int = count) -> Film:
                whole = encode(folder / "whole", Recipe(codec, "avi", pixels=pixels))
                return _film(without_header(whole, folder / "dead.avi", count), 10, is_odd=count > 0)

            yield Kind(_name(Recipe(codec, "avi"), f"recorder died, {count} declared"), dead)


def _cuts() -> Iterator[Kind]:
    """Cut without being encoded anew: at a keyframe, and between two."""
    for recipe in (
        *(Recipe(H264, ending, b) for ending in ("mp4", "mkv") for b in (0, 2)),
        Recipe(H264, "ts", 2, container="mpegts"),
        Recipe(HEVC, "mp4", 2),
        Recipe(MPEG4, "mkv", 0),
    ):

        def middle(folder: Path, recipe: Recipe = recipe) -> Film:
            whole = encode(folder / "whole", recipe)
            return _film(copied(whole, folder / f"cut.{recipe.ending}", 4.0, hide=False), 10, range(40, FRAMES))

        yield Kind(_name(recipe, "cut at a keyframe"), middle)
    for b_frames in (0, 2):

        def hidden(folder: Path, b_frames: int = b_frames) -> Film:
            whole = encode(folder / "whole", Recipe(H264, "mp4", b_frames))
            return _film(copied(whole, folder / "cut.mp4", 4.7, hide=True), 10, range(47, FRAMES))

        yield Kind(_name(Recipe(H264, "mp4", b_frames), "cut between keyframes, edit list"), hidden)
    for recipe in (
        Recipe(H264, "ts", 0, container="mpegts"),
        Recipe(H264, "ts", 2, container="mpegts"),
        Recipe(MPEG2, "ts", 0, 25, container="mpegts"),
    ):

        def bytes_cut(folder: Path, recipe: Recipe = recipe) -> Film:
            """From a third of the way between two keyframes on; the first whole picture is the next keyframe's."""
            whole = encode(folder / "whole", replace(recipe, options={"sc_threshold": "0"}))
            with av.open(str(whole)) as container:
                found = [p for p in container.demux(video=0) if p.size]
                keys = [n for n, p in enumerate(found) if p.is_keyframe]
                at, key = found[keys[1] + 7], found[keys[2]]
                first = min(p.pts for p in found if p.pts is not None)
                base = Fraction(key.time_base or 1)
                shown = round((Fraction((key.pts or 0) - first) * base) * recipe.rate)
            path = folder / "cut.ts"
            path.write_bytes(whole.read_bytes()[(at.pos or 0) // 188 * 188 :])
            return _film(path, recipe.rate, range(shown, FRAMES), is_odd=True)

        yield Kind(_name(recipe, "cut between keyframes"), bytes_cut)


def _clocks() -> Iterator[Kind]:
    """Clocks that jitter, pause, wrap or start again."""
    stamps = {
        "arrival times": [(n // 2) * 200 + n % 2 * 30 for n in range(FRAMES)],
        "pauses": [n * 100 + n // 25 * 2900 for n in range(FRAMES)],
        "one picture every 10 s": [n * 10_000 for n in range(FRAMES)],
    }
    for ending in ("mkv", "mp4"):
        for words, at in stamps.items():

            def timed(folder: Path, ending: str = ending, at: list[int] = at) -> Film:
                path = encode(folder / "timed", Recipe(H264, ending), at, Fraction(1, 1000))
                regular = len({b - a for a, b in pairwise(at)}) == 1
                return Film(path, list(range(FRAMES)), [each / 1000 for each in at], tick_s(path), is_odd=not regular)

            yield Kind(_name(Recipe(H264, ending), words), timed)
    for b_frames in (0, 2):

        def wrap(folder: Path, b_frames: int = b_frames) -> Film:
            whole = encode(folder / "whole", Recipe(H264, "ts", b_frames, container="mpegts"))
            return _film(wrapped(whole, folder / "wrap.ts", 2**33 / 90_000 - 6.4), 10)

        yield Kind(_name(Recipe(H264, "ts", b_frames), "clock wraps"), wrap)

        def again(folder: Path, b_frames: int = b_frames) -> Film:
            recipe = Recipe(H264, "ts", b_frames, container="mpegts")
            one, two = (encode(folder / f"{n}", recipe, numbers=range(n, n + 50)) for n in (0, 50))
            joined = folder / "joined.ts"
            joined.write_bytes(wrapped(one, folder / "late.ts", 3600).read_bytes() + two.read_bytes())
            return _film(joined, 10, range(50), is_odd=True)

        yield Kind(_name(Recipe(H264, "ts", b_frames), "clock starts again"), again)


def _orders() -> Iterator[Kind]:
    """Pictures that lean on others far away."""
    for recipe, words in (
        (Recipe(H264, "mp4", options={"x264-params": f"intra-refresh=1:keyint={GOP}"}), "rolling refresh"),
        (
            Recipe(H264, "ts", options={"x264-params": f"intra-refresh=1:keyint={GOP}"}, container="mpegts"),
            "rolling refresh",
        ),
        (Recipe(H264, "ts", 3, options={"x264-params": f"open-gop=1:keyint={GOP}"}, container="mpegts"), "open groups"),
        (Recipe(H264, "mkv", 3, options={"x264-params": f"open-gop=1:keyint={GOP}"}), "open groups"),
        (
            Recipe(HEVC, "mkv", 3, options={"x265-params": f"log-level=error:open-gop=1:keyint={GOP}:bframes=3"}),
            "open groups",
        ),
        (Recipe(H264, "mp4", 0, gop=FRAMES), "one keyframe"),
    ):

        def make(folder: Path, recipe: Recipe = recipe) -> Film:
            options = recipe.options if recipe.codec == HEVC else {**recipe.options, "preset": "veryfast"}
            return _film(encode(folder / "order", replace(recipe, options=options)), recipe.rate)

        yield Kind(_name(recipe, words), make)

    def restamped(folder: Path) -> Film:
        """Stamps of decoding in the place of those of showing, as remuxing an AVI gives them."""
        whole = encode(folder / "whole", Recipe(H264, "mkv", 2))
        path = folder / "restamped.mkv"
        with av.open(str(whole)) as source, av.open(str(path), "w") as target:
            stream = source.streams.video[0]
            copy = target.add_stream_from_template(stream)
            for place, packet in enumerate(p for p in source.demux(stream) if p.size):
                packet.pts = packet.dts = place * 100
                packet.stream = copy
                target.mux(packet)
        return _film(path, 10, is_odd=True)

    yield Kind("x264 mkv b, stamps of decoding", restamped)


def _damaged() -> Iterator[Kind]:
    """One packet is damaged: what leans on it is lost, and no more."""
    for recipe in (
        Recipe(H264, "mp4"),
        Recipe(H264, "mkv"),
        Recipe(H264, "mkv", 2),
        Recipe(MPEG4, "avi"),
        Recipe("mjpeg", "mov", pixels="yuvj420p"),
        Recipe("libvpx-vp9", "webm"),
        Recipe("ffv1", "mkv", gop=1),
    ):

        def make(folder: Path, recipe: Recipe = recipe) -> Film:
            whole = encode(folder / "whole", recipe)
            spoiled = damage(whole, folder / f"damaged.{recipe.ending}", 47)
            with av.open(str(whole)) as container:
                found = [p for p in container.demux(video=0) if p.size]
            key = next(n for n, p in enumerate(found) if n > 47 and p.is_keyframe)
            base = Fraction(found[0].time_base or 1)
            lost = {round((p.pts or 0) * base * recipe.rate) for p in found[47:key]}
            kept = [number for number in range(FRAMES) if number not in lost]
            times_s = [number / recipe.rate for number in kept]
            return Film(spoiled, kept, times_s, tick_s(spoiled), lost=len(lost), is_odd=True)

        yield Kind(_name(recipe, "one packet damaged"), make)


def _shortened() -> Iterator[Kind]:
    """Half of a file: what is there is read, and that the rest is missing is said."""
    for recipe in (
        Recipe("mjpeg", "avi", pixels="yuvj420p"),
        Recipe(H264, "mp4", muxer={"movflags": "faststart"}),
        Recipe(H264, "mkv"),
    ):

        def make(folder: Path, recipe: Recipe = recipe) -> Film:
            whole = encode(folder / "whole", recipe)
            half = folder / f"half.{recipe.ending}"
            content = whole.read_bytes()
            half.write_bytes(content[: len(content) // 2])
            with av.open(str(whole)) as container:
                ends = [(p.pos or 0) + p.size for p in container.demux(video=0) if p.size]
            there = sum(end < len(content) // 2 for end in ends)
            return _film(half, recipe.rate, range(there), is_odd=True)

        yield Kind(_name(recipe, "half of the file"), make)
