"""Cameras that answer on a network: a fake one on loopback, and strangers who send what they like."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from crowdwatch.commands.cli import app
from crowdwatch.errors import ConfigError
from crowdwatch.sources.live import discovery
from crowdwatch.sources.live.discovery import Found, discover

MATCH = """<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"
 xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">{extra}<e:Header><w:RelatesTo>{to}</w:RelatesTo></e:Header>
 <e:Body><d:ProbeMatches><d:ProbeMatch><d:Types>dn:NetworkVideoTransmitter</d:Types>
 <d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/North%20gate
 onvif://www.onvif.org/hardware/[bold]X1</d:Scopes>
 <d:XAddrs>http://[bad http://{host}/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body>
 </e:Envelope>"""
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa">]><e:Envelope xmlns:e="x">&a;</e:Envelope>'


class Responder(threading.Thread):
    """Answers every question with each of ``answers``, ``{to}`` being the question's own id."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.answers, self.questions = answers, list[str]()

    def run(self) -> None:
        while True:
            try:
                question, whence = self.socket.recvfrom(65535)
            except OSError:
                return
            if question == b"end":
                return
            self.questions.append(question.decode())
            (asked,) = re.findall(r"<w:MessageID>(.*?)<", self.questions[-1])
            for answer in self.answers:
                text = answer.replace("{to}", asked).replace("{extra}", "").replace("{host}", "127.0.0.1")
                self.socket.sendto(text.encode(), whence)

    def end(self) -> None:
        self.socket.sendto(b"end", self.socket.getsockname())
        self.join()
        self.socket.close()


@pytest.fixture
def responder() -> Iterator[Responder]:
    it = Responder([])
    it.start()
    yield it
    it.end()


def test_a_camera_is_listed_once_however_often_it_answers(responder: Responder) -> None:
    responder.answers = ["no xml", BOMB, MATCH.replace("{to}", "urn:uuid:another"), MATCH, MATCH]
    found = discover("127.0.0.0/8", 0.3, responder.socket.getsockname())
    service = "http://127.0.0.1/onvif/device_service"
    assert found == [Found("127.0.0.1", "North gate", "[bold]X1", service)]
    assert "NetworkVideoTransmitter" in responder.questions[0]


def test_what_is_no_answer_is_nobody(responder: Responder) -> None:
    responder.answers = ["no xml", BOMB, MATCH.replace("{to}", "urn:uuid:another"), MATCH.replace("ProbeMatch>", "X>")]
    assert discover("127.0.0.0/8", 0.3, responder.socket.getsockname()) == []
    assert responder.questions


def test_the_service_of_another_address_is_not_shown(responder: Responder) -> None:
    responder.answers = [MATCH.replace("{host}", "192.0.2.7")]
    (found,) = discover("127.0.0.0/8", 0.3, responder.socket.getsockname())
    assert found.service == ""


@pytest.mark.parametrize("network", ["", "north", "127.0.0.1/8", "::1/128"])
def test_what_is_no_network_is_refused(network: str) -> None:
    with pytest.raises(ConfigError, match=r"Give one as 192\.168\.10\.0/24"):
        discover(network, 0.1)


def test_a_network_that_this_machine_is_not_in_is_refused() -> None:
    with pytest.raises(ConfigError, match="no address in it"):
        discover("203.0.113.0/24", 0.1)


def test_the_command_lists_what_was_found(responder: Responder, monkeypatch: pytest.MonkeyPatch) -> None:
    responder.answers = [MATCH]
    group = responder.socket.getsockname()
    monkeypatch.setattr(discovery, "discover", lambda network, wait: discover(network, 0.3, group))
    command = ["cameras", "discover", "--network", "127.0.0.0/8"]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0
    assert "North gate" in said.stdout
    assert "[bold]X1" in said.stdout
    assert json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)[0]["name"] == "North gate"
    responder.answers = []
    assert "No camera answered" in CliRunner().invoke(app, command).output
