"""The process that readers are forked from: it has loaded what they need, so that one of them starts in milliseconds
and shares that memory with the others.

It is started as a program of its own, ``python -m crowdwatch.sources.live.nursery FD``. It has one thread and opens
nothing, so that forking it is safe. Over the socket ``FD`` it is handed a socket and the memory of a reader, and
answers with a descriptor of the new process, by which it can be ended and nobody else. When the socket ends, it ends,
and with it every reader.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys

from crowdwatch.sources.live.reader import read

__all__ = ["Nursery"]

PR_SET_PDEATHSIG = 1

ANSWER_S = 10.0
"""A fork takes milliseconds; loading what readers need, once, takes seconds on a busy machine."""


class Nursery:
    """The parent's end of it. Raises OSError where no process or descriptor is to be had."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crowdwatch.sources.live.nursery", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            self._line.close()
            raise
        finally:
            theirs.close()
        self._line.settimeout(ANSWER_S)
        self._out_of_step = False

    @property
    def well(self) -> bool:
        """Whether it can be asked again."""
        return not self._out_of_step and self._process.poll() is None

    def fork(self, memory: int) -> tuple[socket.socket, int]:
        """Start a reader on shared memory: (the socket to it, a pidfd of it).

        Raises:
            OSError: the nursery is gone, or has no more processes or descriptors.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        said, found = b"", list[int]()
        try:
            socket.send_fds(self._line, [b"+"], [theirs.fileno(), memory])
            said, found, _, _ = socket.recv_fds(self._line, 16, 1)
        except OSError:
            self._out_of_step = True
            raise
        finally:
            theirs.close()
            if not found:
                ours.close()
        if not found:
            self._out_of_step = not said
            raise OSError("no process could be started")
        return ours, found[0]

    def close(self) -> None:
        """End it and every reader."""
        self._line.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _serve(line: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of a terminal: the parent decides
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for readers; their sockets tell that they ended
    own = os.getpid()
    while True:
        _, found, _, _ = socket.recv_fds(line, 16, 2)
        if len(found) < 2:
            return
        theirs, memory = found
        try:
            child = os.fork()
        except OSError:
            line.send(b"-")
        else:
            if child == 0:
                line.close()
                _be_reader(socket.socket(fileno=theirs), memory, own)
            _answer(line, child)
        os.close(theirs)
        os.close(memory)


def _answer(line: socket.socket, child: int) -> None:
    try:
        handle = os.pidfd_open(child)
    except OSError:  # it has ended already
        line.send(b"-")
        return
    socket.send_fds(line, [b"+"], [handle])
    os.close(handle)


def _be_reader(line: socket.socket, memory: int, parent: int) -> None:
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            read(line, memory)
    finally:
        os._exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
