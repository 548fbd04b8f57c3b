"""Why a camera cannot be opened: one sentence with a remedy, found out by asking again, simply."""

from __future__ import annotations

import errno
import socket

from av.error import FFmpegError, HTTPBadRequestError, HTTPNotFoundError, HTTPOtherClientError

from crowdwatch.sources.live.address import StreamAddress

__all__ = ["what_is_wrong"]

ASK_S = 2.0
"""Longest wait for each answer."""


def what_is_wrong(address: StreamAddress, error: Exception) -> str:
    """Say what keeps a camera from being opened, without secrets.

    Args:
        address: of the camera.
        error: what the library raised.
    """
    if isinstance(error, HTTPNotFoundError):
        return "the camera is there, and has no such stream. Correct the path of the URL; its manual names it."
    if isinstance(error, HTTPOtherClientError | HTTPBadRequestError):
        return (
            "the camera refuses to play this stream. It may send sound alone, or to one viewer alone: name its video "
            "stream, and close other viewers."
        )
    said = (getattr(error, "strerror", None) or type(error).__name__).rstrip(".")
    if address.device:
        return _of_device(error, said)
    host, port = address.host_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return f"the host {host} is not known here. Correct its name, or write its address; check this machine's DNS."
    where = f"{host}:{port}" if host == found[0][4][0] else f"{host} ({found[0][4][0]}), port {port}"
    try:
        with socket.create_connection((host, port), ASK_S) as connection:
            spoken = _language(connection, host, port)
    except TimeoutError:
        return f"{where} does not answer. Check the camera's power, its network, and what lies between."
    except OSError as refused:
        if refused.errno == errno.ECONNREFUSED:
            return f"{where} refuses the connection. Check the port; the camera may be starting."
        return f"{where} cannot be reached ({refused.strerror}). Check the network, and that the address is right."
    rtsp = address.url.strip().lower().startswith("rtsp:")
    if rtsp and spoken == "HTTP":
        return f"{where} speaks HTTP, not RTSP. Correct the port (usually 554), or begin the URL with http://."
    if rtsp and spoken == "":
        return f"{where} takes the connection and says nothing. Check that it is a camera's RTSP port; restart it."
    if rtsp and spoken != "RTSP":
        return f"{where} does not speak RTSP. Check that host and port are the camera's."
    return f"it cannot be opened ({said}). Try the URL in a player on this machine."


def _of_device(error: Exception, said: str) -> str:
    number = error.errno if isinstance(error, FFmpegError | OSError) else None
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return "there is no such device. Plug the camera in; ls /dev/video* lists what is there."
    if number in (errno.EACCES, errno.EPERM):
        return "this user may not read the device. Add the user to the group video."
    if number == errno.EBUSY:
        return "another program has the device. Close it: a camera has one reader."
    return f"the device cannot be opened ({said}). Check that it is a camera, and that it has the calibrated size."


def _language(connection: socket.socket, host: str, port: int) -> str:
    """What a server speaks: RTSP, HTTP, another word that it begins with; nothing where it is silent."""
    connection.settimeout(ASK_S)
    try:
        connection.sendall(f"OPTIONS rtsp://{host}:{port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode("ascii", "replace"))
        answer = connection.recv(64)
    except OSError:
        return ""
    if answer.startswith(b"<") or b"HTTP/" in answer:
        return "HTTP"
    return "RTSP" if answer.startswith(b"RTSP/") else "?" if answer else ""
