"""An RTSP server for tests and benchmarks, run by the system's Python, which has GStreamer: ``/usr/bin/python3
rtsp_program.py``.

The first line of standard input says what to serve, as JSON: ``port`` (0 is any), ``mounts`` (path -> clip file),
``audio`` (paths that send sound alone), ``announced`` (path -> codec that its SDP claims), ``user`` and ``password``
where they are asked for. Further lines change what it does: ``{"mount": "/a", "jump_s": 3600}`` shifts the time stamps
from now on, ``{"mount": "/a", "silent": true}`` sends nothing any more and keeps the connection. It answers in lines of
JSON: the port, and whenever a mount begins to send its clip, that moment on the monotonic clock. It ends when standard
input does.

A clip file is a line of JSON (``codec``) and then, for every picture, 8 bytes of its time in microseconds, 4 bytes of
its length (big endian), and its bytes. It is repeated for ever, with time stamps that go on.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any

PAYLOADERS = {
    "h264": ("video/x-h264,stream-format=byte-stream,alignment=au", "h264parse ! rtph264pay config-interval=-1"),
    "hevc": ("video/x-h265,stream-format=byte-stream,alignment=au", "h265parse ! rtph265pay config-interval=-1"),
    "mjpeg": ("image/jpeg", "jpegparse ! rtpjpegpay"),
}
AUDIO = "( audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay0 pt=8 )"


@cache
def libraries() -> tuple[Any, Any, Any]:
    """GLib, Gst and GstRtspServer. Only the system's Python has them."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    return GLib, Gst, GstRtspServer


@cache
def read_clip(path: str) -> tuple[dict[str, Any], list[tuple[int, bytes]]]:
    """What the clip says of itself, and its pictures with their times in microseconds."""
    with open(path, "rb") as file:
        head = json.loads(file.readline())
        pictures = []
        while entry := file.read(12):
            time_us, size = struct.unpack(">QI", entry)
            pictures.append((time_us, file.read(size)))
    return head, pictures


def unhurried(media: Any) -> None:
    """Send what comes as it comes: a sink would wait for a time stamp that jumps ahead."""
    _, Gst, _ = libraries()
    elements = media.get_element().get_parent().iterate_recurse()
    while True:
        result, element = elements.next()
        if result != Gst.IteratorResult.OK:
            return
        if element.find_property("sync") is not None:
            element.set_property("sync", False)


class Mount:
    """One path: pushes the pictures of a clip, in their time, to whoever looks."""

    def __init__(self, server: Any, path: str, clip: str, announced: str = "") -> None:
        _, _, GstRtspServer = libraries()
        head, self.pictures = read_clip(clip)
        self.path, self.end_us = path, head["end_us"]
        caps, payloader = PAYLOADERS[head["codec"]]
        self.jump_s, self.silent = 0.0, False
        factory = GstRtspServer.RTSPMediaFactory()
        pictures = f"appsrc name=src is-live=true format=time block=false max-bytes=0 caps={caps}"
        payloader += " name=pay0 pt=96"
        if announced:
            payloader = payloader.replace("name=pay0 ", "") + (
                f" ! capssetter name=pay0 join=true caps=application/x-rtp,encoding-name={announced}"
            )
        factory.set_launch(f"( {pictures} ! {payloader} )")
        factory.set_shared(True)
        factory.connect("media-configure", self.configure)
        server.get_mount_points().add_factory(path, factory)
        self.factory = factory

    def configure(self, _: Any, media: Any) -> None:
        """Somebody looks: push to them."""
        media.connect("new-state", lambda prepared, _: unhurried(prepared))
        source = media.get_element().get_by_name_recurse_up("src")
        threading.Thread(target=self.push, args=(source,), daemon=True).start()

    def push(self, source: Any) -> None:
        """Push pictures until nobody looks any more."""
        _, Gst, _ = libraries()
        began, shift_us = time.monotonic(), 0
        tell({"mount": self.path, "began_s": began})
        while True:
            for time_us, content in self.pictures:
                at_s = (shift_us + time_us) / 1e6
                time.sleep(max(0.0, began + at_s - time.monotonic()))
                if self.silent:
                    continue
                buffer = Gst.Buffer.new_wrapped(content)
                buffer.pts = buffer.dts = max(0, int((at_s + self.jump_s) * 1e9))
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            shift_us += self.end_us


def tell(said: dict[str, Any]) -> None:
    """Say something to whoever started it; where nobody listens, it is lost."""
    with suppress(BlockingIOError):
        os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")


def guard(server: Any, user: str, password: str) -> None:
    """Ask everybody for a password."""
    _, _, GstRtspServer = libraries()
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)


def permit(factory: Any) -> None:
    """Let those in who know it."""
    _, _, GstRtspServer = libraries()
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
    permissions.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
    factory.set_permissions(permissions)


def serve() -> None:
    """Serve until standard input ends."""
    wanted = json.loads(sys.stdin.readline())
    GLib, _, GstRtspServer = libraries()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(wanted.get("port", 0)))
    announced = wanted.get("announced", {})
    mounts = {path: Mount(server, path, clip, announced.get(path, "")) for path, clip in wanted["mounts"].items()}
    factories = [mount.factory for mount in mounts.values()]
    for path in wanted.get("audio", ()):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(AUDIO)
        server.get_mount_points().add_factory(path, factory)
        factories.append(factory)
    if wanted.get("password"):
        guard(server, wanted["user"], wanted["password"])
        for factory in factories:
            permit(factory)
    if not server.attach(None):
        sys.exit("cannot listen")
    os.set_blocking(sys.stdout.fileno(), False)
    tell({"port": server.get_bound_port()})

    def listen() -> None:
        for line in sys.stdin:
            order = json.loads(line)
            mount = mounts[order.pop("mount")]
            for name, value in order.items():
                setattr(mount, name, value)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    GLib.MainLoop().run()


if __name__ == "__main__":
    serve()
