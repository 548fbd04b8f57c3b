"""The newest coarse picture of a camera, for who has a signed address: one JPEG, or a stream of them (MJPEG).

The age is in a header and drawn into the picture, so that an old picture cannot pass for the present, wherever it is
shown. Once it is older than :data:`OLD_S` a red frame says so too.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import anyio.to_thread
import cv2
import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from crowdwatch.telemetry.serving import GUARD_HEADERS
from crowdwatch.telemetry.signing import PictureKey

__all__ = ["OLD_S", "Newest", "draw_age", "picture_routes"]

NS = 1_000_000_000

Newest = Callable[[str, str], tuple[bytes, int] | None]
"""(run, camera) -> the newest coarse JPEG and its event time; None where there is none."""

OLD_S = 5.0
"""As of readings: older is stale."""

AGE_HEADER = "X-Picture-Age-Seconds"
FRAME_S = 0.5
"""How often a stream looks for a newer picture; its age is drawn anew once a second."""

MOST_STREAMS = 32
"""Streams at once. Each costs a decode and an encode a second, shared by those who look at the same camera."""

BOUNDARY = "picture"
JPEG_QUALITY = 80
KEPT = 64


def draw_age(jpeg: bytes, t_ns: int, age_s: float) -> bytes:
    """Write a picture's time and age on a bar across its top.

    Args:
        jpeg: the coarse picture.
        t_ns: its event time.
        age_s: now less that; under -1 the clocks disagree, and the age is unknown.

    Returns:
        A JPEG of the same size. One that cannot be decoded is grey, with the bar.
    """
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    canvas = np.full((240, 320, 3), 96, np.uint8) if image is None else image
    height, width = canvas.shape[:2]
    known = age_s >= -1.0
    age = f"{max(0.0, age_s):.0f} s old" if known else "age unknown: clocks disagree"
    text = f"{datetime.fromtimestamp(t_ns // NS, UTC):%H:%M:%S} UTC  {age}"
    old = not known or age_s > OLD_S
    size = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)[0]
    scale = min(max(height / 600, 0.4), (width - 8) / size[0])
    bar = round(size[1] * scale) + 12
    cv2.rectangle(canvas, (0, 0), (width, bar), (0, 0, 200) if old else (0, 0, 0), -1)
    if old:
        cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), (0, 0, 200), max(4, height // 60))
    at, white, thick = (4, bar - 6), (255, 255, 255), max(1, round(2 * scale))
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, white, thick, cv2.LINE_AA)
    return cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


@dataclass(slots=True)
class _Drawn:
    """Pictures with their age, drawn once for all who look."""

    newest: Newest
    now_ns: Callable[[], int]
    _kept: OrderedDict[tuple[str, str, int, int], bytes] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, run_id: str, camera_id: str) -> tuple[bytes, int, float] | None:
        """JPEG with its age in it, its time, its age."""
        found = self.newest(run_id, camera_id)
        if found is None:
            return None
        jpeg, t_ns = found
        age_s = (self.now_ns() - t_ns) / NS
        key = (run_id, camera_id, t_ns, round(age_s))
        with self._lock:
            known = self._kept.get(key)
        if known is None:
            known = draw_age(jpeg, t_ns, age_s)
            with self._lock:
                self._kept[key] = known
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return known, t_ns, age_s


def picture_routes(key: PictureKey, newest: Newest, now_ns: Callable[[], int] = time.time_ns) -> list[BaseRoute]:
    """``/pictures/{run}/{camera}.jpg`` and ``.mjpeg``. What is unsigned, expired, signed for another picture, by
    another key, or changed gets 403, whether or not there is such a picture.

    Args:
        key: judges addresses.
        newest: finds pictures.
        now_ns: UTC now.
    """
    drawn, streams = _Drawn(newest, now_ns), anyio.Semaphore(MOST_STREAMS)

    def admitted(request: Request, form: str) -> bool:
        asked = request.query_params
        if len(asked.getlist("until")) != 1 or len(asked.getlist("sig")) != 1:
            return False
        run_id, camera_id = request.path_params["run"], request.path_params["camera"]
        return key.admits(run_id, camera_id, form, asked["until"], asked["sig"], now_s=now_ns() / NS)

    def refused() -> Response:
        text = "This address is not signed, has expired, or is for another picture. Open the page anew.\n"
        return PlainTextResponse(text, 403, GUARD_HEADERS)

    def single(request: Request) -> Response:
        if not admitted(request, "jpg"):
            return refused()
        found = drawn.of(request.path_params["run"], request.path_params["camera"])
        if found is None:
            return PlainTextResponse("No picture of this camera.\n", 404, GUARD_HEADERS)
        jpeg, t_ns, age_s = found
        headers = GUARD_HEADERS | {AGE_HEADER: f"{age_s:.3f}", "X-Picture-Time-Ns": str(t_ns)}
        return Response(jpeg, headers=headers, media_type="image/jpeg")

    async def stream(request: Request) -> Response:
        if not admitted(request, "mjpeg"):
            return refused()
        if streams.value == 0:
            return PlainTextResponse("Too many streams are open. Close some pages.\n", 503, GUARD_HEADERS)
        return StreamingResponse(
            _frames(request, drawn, streams, now_ns), headers=GUARD_HEADERS,
            media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
        )  # fmt: skip

    return [
        Route("/pictures/{run}/{camera}.jpg", single),
        Route("/pictures/{run}/{camera}.mjpeg", stream),
    ]


async def _frames(
    request: Request, drawn: _Drawn, streams: anyio.Semaphore, now_ns: Callable[[], int]
) -> AsyncIterator[bytes]:
    """Parts of the stream, until its address ends."""
    run_id, camera_id = request.path_params["run"], request.path_params["camera"]
    until_ns, shown = int(request.query_params["until"]) * NS, b""
    async with streams:
        while now_ns() < until_ns:
            found = await anyio.to_thread.run_sync(drawn.of, run_id, camera_id)
            if found is not None and found[0] != shown:
                shown = found[0]
                head = (
                    f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(shown)}\r\n"
                    f"{AGE_HEADER}: {found[2]:.3f}\r\n\r\n"
                )
                yield head.encode() + shown + b"\r\n"
            await anyio.sleep(FRAME_S)
        yield f"--{BOUNDARY}--\r\n".encode()
