"""Hosts made of network namespaces on one machine, on a network of their own: their links can be cut, and they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Self

__all__ = ["Host", "Network", "why_not"]

NET = f"10.213.{os.getpid() % 250}"
"""One for each process: what a killed one left behind does not take the addresses of the next."""
DEATH_S = 20.0


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def why_not() -> str:
    """Why no network can be made here; empty where one can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Network(["probe"]):
            return ""
    except OSError as error:
        return f"network namespaces: {error}"


class Host:
    """A namespace with one link to the network. Processes that were started in it end with it."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.address = f"cw-{os.getpid()}-{name}", f"{NET}.{number + 2}"
        self.link = f"cw{os.getpid()}{number}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A program in this host."""
        words = ["ip", "netns", "exec", self.name, *command]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(subprocess.Popen(words, start_new_session=True, **quiet))  # type: ignore[call-overload]
        return self.processes[-1]

    def start_worker(self, scheduler: str) -> None:
        """A Dask worker of one thread."""
        words = ("-m", "distributed.cli.dask_worker", scheduler, "--no-nanny", "--nthreads", "1", "--no-dashboard")
        self.start(sys.executable, *words, "--host", self.address, "--local-directory", "/tmp")

    def cut(self) -> None:
        """Nothing goes in or out any more, and nobody is told."""
        _ip("link", "set", self.link, "down")

    def mend(self) -> None:
        """The link is there again."""
        _ip("link", "set", self.link, "up")

    def pids(self) -> set[int]:
        """Everything that runs in it."""
        said = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        return {int(word) for word in said.stdout.split()}

    def die(self) -> None:
        """Its link is cut, and all its processes are killed: nobody says good-bye."""
        self.cut()
        self.kill()

    def kill(self) -> None:
        """All its processes are killed; its network says so."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for each in self.processes:
            each.wait(DEATH_S)


class Network:
    """A bridge with hosts on it; this machine is ``.1``. Raises OSError on entering: it is not permitted here."""

    def __init__(self, names: list[str]) -> None:
        self.bridge, self.address = f"cw{os.getpid()}", f"{NET}.1"
        self.hosts = {name: Host(name, number) for number, name in enumerate(names)}

    def __enter__(self) -> Self:
        try:
            _ip("link", "add", self.bridge, "type", "bridge")
            _ip("addr", "add", f"{self.address}/24", "dev", self.bridge)
            _ip("link", "set", self.bridge, "up")
            for host in self.hosts.values():
                _ip("netns", "add", host.name)
                _ip("link", "add", host.link, "type", "veth", "peer", "name", "eth0", "netns", host.name)
                _ip("link", "set", host.link, "master", self.bridge, "up")
                _ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", "eth0")
                _ip("-n", host.name, "link", "set", "eth0", "up")
                _ip("-n", host.name, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for host in self.hosts.values():
            with suppress(OSError):
                host.die()
            with suppress(OSError):
                _ip("netns", "del", host.name)
            with suppress(OSError):
                _ip("link", "del", host.link)
        with suppress(OSError):
            _ip("link", "del", self.bridge)
