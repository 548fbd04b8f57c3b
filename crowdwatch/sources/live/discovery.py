"""Which ONVIF cameras answer on a network: one question by WS-Discovery (OASIS, as of April 2005, which the ONVIF Core
Specification, section 7, takes), and what comes back in a few seconds. Nobody is logged in to.

The library of the field (WSDiscovery) reads what strangers send with an XML parser that follows entities, and keeps
threads and the port 3702; a question needs neither.
"""

from __future__ import annotations

import ipaddress
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from crowdwatch.errors import ConfigError, SourceUnavailable

__all__ = ["GROUP", "Found", "discover"]

GROUP = ("239.255.255.250", 3702)
ASK_AGAIN_S = 1.0
"""A datagram may be lost, so it is asked again; who answers twice is listed once."""

MOST = 1024
MOST_BYTES = 65_535
DEVICE = "http://www.onvif.org/ver10/network/wsdl"
DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
SCOPE = "onvif://www.onvif.org/"

PROBE = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="{addressing}" xmlns:d="{discovery}" '
    'xmlns:dn="{device}"><e:Header><w:MessageID>{message_id}</w:MessageID>'
    "<w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To><w:Action>{discovery}/Probe</w:Action></e:Header>"
    "<e:Body><d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></e:Body></e:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A device that says that it is an ONVIF camera. Everything but ``address`` is its own word.

    Args:
        address: whence it answered.
        name, hardware: as it calls itself; or empty.
        service: of its ONVIF device service, which tells the address of its streams to who is signed in.
    """

    address: str
    name: str
    hardware: str
    service: str


def discover(network: str, seconds: float = 3.0, group: tuple[str, int] = GROUP) -> list[Found]:
    """Ask on one network, and list who answers from it, by address.

    Args:
        network: as ``192.168.10.0/24``, one that this machine is in.
        seconds: to wait.
        group: whom to ask.

    Raises:
        ConfigError: not a network of IPv4, or this machine is not in it.
        SourceUnavailable: the question cannot be sent.
    """
    try:
        inside = ipaddress.IPv4Network(network)
    except ValueError as error:
        raise ConfigError(f"--network {network}: {error}. Give one as 192.168.10.0/24.") from error
    message_id = f"urn:uuid:{uuid.uuid4()}"
    probe = PROBE.format(addressing=ADDRESSING, discovery=DISCOVERY, device=DEVICE, message_id=message_id).encode()
    found: dict[str, Found] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        own = _own_address(inside)
        try:
            asking.bind((own, 0))
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
            asking.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            for answer, address in _answers(asking, probe, seconds, group):
                if len(found) < MOST and ipaddress.IPv4Address(address) in inside:
                    device = _read(answer, address, message_id)
                    if device is not None:
                        found.setdefault(address, device)
        except OSError as error:
            raise SourceUnavailable(
                f"network {network}: cannot be asked from {own}: {error.strerror or error}. Check the interface, and "
                f"that a firewall lets UDP port {group[1]} through."
            ) from error
    return sorted(found.values(), key=lambda each: ipaddress.IPv4Address(each.address))


def _own_address(inside: ipaddress.IPv4Network) -> str:
    """This machine's address in a network: that of the route there. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect((str(inside[min(1, inside.num_addresses - 1)]), 9))
            own = str(route.getsockname()[0])
        except OSError:
            own = ""
    if not own or ipaddress.IPv4Address(own) not in inside:
        raise ConfigError(
            f"--network {inside}: this machine has no address in it. Discovery does not cross routers: run it on a "
            f"machine in the cameras' network."
        )
    return own


def _answers(
    asking: socket.socket, probe: bytes, seconds: float, group: tuple[str, int]
) -> Iterator[tuple[bytes, str]]:
    ends_s = time.monotonic() + seconds
    ask_s = 0.0
    while (now_s := time.monotonic()) < ends_s:
        if now_s >= ask_s:
            asking.sendto(probe, group)
            ask_s = now_s + ASK_AGAIN_S
        asking.settimeout(max(0.01, min(ends_s, ask_s) - now_s))
        try:
            answer, (address, _) = asking.recvfrom(MOST_BYTES)
        except (TimeoutError, ConnectionRefusedError):
            continue
        yield answer, str(address)


def _read(answer: bytes, address: str, message_id: str) -> Found | None:
    """What a device says; None for what is no answer to this question."""
    try:
        root = fromstring(answer)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    match = root.find(f".//{{{DISCOVERY}}}ProbeMatch")
    if match is None or _text(root, f".//{{{ADDRESSING}}}RelatesTo") != message_id:
        return None
    scopes = [unquote(each[len(SCOPE) :]) for each in _words(match, "Scopes") if each.startswith(SCOPE)]
    services = [each for each in _words(match, "XAddrs") if _host(each) == address]
    said = dict(each.partition("/")[::2] for each in reversed(scopes))
    return Found(address, said.get("name", ""), said.get("hardware", ""), services[0] if services else "")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _words(match: Element, name: str) -> list[str]:
    return _text(match, f"{{{DISCOVERY}}}{name}").split()


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    return "" if found is None else (found.text or "").strip()
