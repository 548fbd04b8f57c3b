"""Posting to a webhook: what alerts and the watchdog share.

The address may hold a secret: nothing that is said shows more of it than its host. A redirection is a failure: a secret
follows nobody's pointer.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests

from crowdwatch.core.version import __version__
from crowdwatch.errors import NotTold

__all__ = ["is_address", "post"]

CONNECT_S = 3.0


def is_address(url: str) -> bool:
    """Whether a text is an address to post to.

    >>> is_address("https://example.org/hook"), is_address("example.org"), is_address("http://[")
    (True, False, False)
    """
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def post(
    url: str, body: bytes, key: str, media_type: str, *, name: str, answer_s: float,
    more: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Post a body once.

    Args:
        url: where to.
        body: what.
        key: the same at every try: a receiver can tell a repetition.
        media_type: of the body.
        name: of the receiver, without secrets.
        answer_s: how long an answer may take.
        more: further headers.

    Raises:
        NotTold: no answer, or one other than 2xx.
    """
    headers = {"Content-Type": media_type, "Idempotency-Key": key, "User-Agent": f"crowdwatch/{__version__}"}
    try:
        answer = requests.post(
            url, data=body, headers={**headers, **(more or {})}, timeout=(CONNECT_S, answer_s), allow_redirects=False,
            stream=True,
        )  # fmt: skip
        answer.close()
    except (requests.RequestException, OSError, ValueError) as error:  # its text shows the address
        what = {requests.Timeout: "did not answer in time", requests.ConnectionError: "cannot be reached"}
        said = next((text for kind, text in what.items() if isinstance(error, kind)), type(error).__name__)
        raise NotTold(f"{name}: {said}. Check the address, the network and the certificate.") from None
    if not 200 <= answer.status_code < 300:
        raise NotTold(f"{name}: answered {answer.status_code}. Check the address and its secret.")
