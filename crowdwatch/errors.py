"""The error tree. Every error that CrowdWatch raises on purpose stands here::

    CrowdWatchError
    ├── ConfigError (ValueError)              the event file or a setting is wrong
    ├── CalibrationError (ValueError)         control points or pose do not give a usable ground plane
    │   └── AnchorRefused                     heads were asked for where the camera's position is unknown
    ├── RecordError (ValueError)              a noun was built from values that break its rules
    ├── SourceError (OSError)                 footage
    │   ├── SourceUnavailable                 cannot be opened, read or reached
    │   │   └── SourceRefused                 the camera wants another user name or password
    │   ├── SourceTruncated                   ends before it said it would
    │   └── SourceDamaged                     a frame of it cannot be decoded
    ├── ModelError (RuntimeError)             weights and the programs that run them
    │   ├── WeightsNotFound (FileNotFoundError)
    │   └── WeightsMismatch (ValueError)      the sha256 is not the one that is known
    ├── StoreError (OSError)                  the store or the observation log
    │   ├── StoreUnavailable                  cannot be opened or written: read-only, disk full, no server
    │   │   └── StoreBusy                     not now: held by another process, server gone; may pass by itself
    │   ├── LogCorrupt (ValueError)           a log cannot be read back
    │   └── RunNotFound (LookupError)         no such run in the store
    ├── ClusterUnavailable (OSError)          a Dask cluster cannot be reached, or cannot run the job
    ├── AuditRefused (ValueError)             a hand count cannot be one, or belongs to no analysed picture
    ├── CommandRefused (ValueError)           what was asked of a run cannot be carried out
    ├── NotAllowed (PermissionError)          nobody is signed in, or the role has not the right
    │   └── SignInRefused                     name, password, code or identity are not accepted
    ├── NotTold (OSError)                     a notice or a notification could not be delivered
    ├── SampleUnavailable (OSError)           a sample recording can be had from nowhere
    └── MissingPackage (RuntimeError)         a system or Python package is missing

The message says what, the evidence and the remedy. No message carries a secret: a URL is passed through
:func:`redact` first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = [
    "AnchorRefused",
    "AuditRefused",
    "CalibrationError",
    "ClusterUnavailable",
    "CommandRefused",
    "ConfigError",
    "CrowdWatchError",
    "LogCorrupt",
    "MissingPackage",
    "ModelError",
    "NotAllowed",
    "NotTold",
    "RecordError",
    "RunNotFound",
    "SampleUnavailable",
    "SignInRefused",
    "SourceDamaged",
    "SourceError",
    "SourceRefused",
    "SourceTruncated",
    "SourceUnavailable",
    "StoreBusy",
    "StoreError",
    "StoreUnavailable",
    "WeightsMismatch",
    "WeightsNotFound",
    "all_faults",
    "redact",
]


class CrowdWatchError(Exception):
    """The root: catch this to catch everything that CrowdWatch raises on purpose."""


class ConfigError(CrowdWatchError, ValueError):
    """The event file or a setting is wrong; the message lists every fault."""


class CalibrationError(CrowdWatchError, ValueError):
    """Control points or a camera pose do not give a usable ground plane."""


class AnchorRefused(CalibrationError):
    """Heads cannot be put on the ground because the camera's position is unknown."""


class RecordError(CrowdWatchError, ValueError):
    """A noun of :mod:`crowdwatch.core.records` was built from values that break its rules."""


class SourceError(CrowdWatchError, OSError):
    """Footage cannot be used."""


class SourceUnavailable(SourceError):
    """Footage cannot be opened, read or reached."""


class SourceRefused(SourceUnavailable):
    """The camera wants another user name or password: to ask again and again may lock the user out."""


class SourceTruncated(SourceError):
    """Footage ends, or breaks, before the end that it declared."""


class SourceDamaged(SourceError):
    """A frame of the footage cannot be decoded, or leans on one that cannot."""


class ModelError(CrowdWatchError, RuntimeError):
    """Weights, or the program that runs them, cannot be used."""


class WeightsNotFound(FileNotFoundError, ModelError):  # OSError first: its __new__ is the one that unpickling may call
    """No weights were found; the message lists every place that was tried."""


class WeightsMismatch(ModelError, ValueError):
    """The sha256 of the weights is not the one that is known for them."""


class StoreError(CrowdWatchError, OSError):
    """The store or the observation log failed."""


class StoreUnavailable(StoreError):
    """The store or the log cannot be opened or written."""


class StoreBusy(StoreUnavailable):
    """The store cannot be used at this moment, and it may pass by itself: another process holds it, or its server is
    gone. The same call may be made again."""


class LogCorrupt(StoreError, ValueError):
    """An observation log cannot be read back."""


class RunNotFound(StoreError, LookupError):
    """The store holds no such run."""


class ClusterUnavailable(CrowdWatchError, OSError):
    """A Dask cluster cannot be reached, or none of its workers can run the job."""


class CommandRefused(CrowdWatchError, ValueError):
    """What was asked of a run cannot be carried out: see :mod:`crowdwatch.core.commands`."""


class NotAllowed(CrowdWatchError, PermissionError):
    """Nobody is signed in, or the role of who is has not the right: nothing was done."""


class SignInRefused(NotAllowed):
    """Somebody is not signed in: the name, the password, the code or the identity is not accepted, or too many were
    tried. The message does not say which of them is wrong."""


class AuditRefused(CrowdWatchError, ValueError):
    """A hand count cannot be one, or belongs to no picture that was analysed."""


class NotTold(CrowdWatchError, OSError):
    """A notice of the watchdog, or a notification of an alert, could not be delivered."""


class SampleUnavailable(CrowdWatchError, OSError):
    """A sample recording can be had from none of its places."""


class MissingPackage(CrowdWatchError, RuntimeError):
    """A system or Python package is missing; the message gives the command that installs it."""


def all_faults(faults: Sequence[CrowdWatchError]) -> CrowdWatchError:
    """Several faults as one error of the first one's kind, a fault a line; each is said once.

    >>> str(all_faults([ModelError("a."), SourceTruncated("b."), ModelError("a.")]))
    'a.\\nb.'
    """
    if len(faults) == 1:
        return faults[0]
    return type(faults[0])("\n".join(dict.fromkeys(map(str, faults))))


_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY_SECRETS = re.compile(r"(?i)([?&](?:pass(?:word|wd)?|pwd|token|key|secret|user(?:name)?)=)[^&\s]+")


def redact(text: str) -> str:
    """Remove user names, passwords and tokens from the URLs in a text.

    >>> redact("rtsp://guard:hunter2@10.0.0.7/live?token=abc&x=1")
    'rtsp://***@10.0.0.7/live?token=***&x=1'
    """
    return _QUERY_SECRETS.sub(r"\1***", _CREDENTIALS.sub("***@", text))
