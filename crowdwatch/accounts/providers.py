"""Which role somebody has whom an identity provider (OpenID Connect) names: a small TOML file says so.

.. code-block:: toml

    [oidc]
    issuer = "https://id.example.org/realms/square"   # the claim `iss` must be this
    name = "preferred_username"                       # the claim that names the person
    claim = "groups"                                  # the claim that says what the person is
    providers = ["default"]                           # names below [auth] of .streamlit/secrets.toml
    audience = "crowdwatch"                           # optional: the claim `aud` must hold this

    [oidc.roles]                                      # everybody else is refused
    "crowd-commanders" = "commander"
    "crowd-operators" = "operator"
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crowdwatch.core.accounts import MOST_NAME, coded
from crowdwatch.core.rights import ROLES
from crowdwatch.core.text import plain
from crowdwatch.errors import ConfigError, SignInRefused

__all__ = ["Providers", "load", "provided", "secrets_faults"]

KEYS = {"issuer", "name", "claim", "providers", "audience", "roles"}


@dataclass(frozen=True, slots=True)
class Providers:
    """What is believed of an identity provider's claims."""

    issuer: str
    name: str
    claim: str
    roles: dict[str, str]
    providers: tuple[str, ...] = ("default",)
    audience: str = ""

    def read(self, claims: Mapping[str, Any]) -> tuple[str, str, str]:
        """The name, the role and the proof of a person: the highest role of those that the claim gives.

        Raises:
            SignInRefused: another issuer or audience, no name, an address of mail that is not confirmed, or no value
                that has a role.
        """
        audience = claims.get("aud")
        if claims.get("iss") != self.issuer:
            raise coded(
                SignInRefused("sign-in: the identity comes from an issuer that the settings do not name."), "issuer"
            )
        if self.audience and self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise coded(SignInRefused("sign-in: the identity was made for another program."), "audience")
        name, subject = claims.get(self.name), claims.get("sub")
        if not isinstance(name, str) or not plain(name) or not isinstance(subject, str) or not subject:
            raise coded(SignInRefused(f"sign-in: the identity has no claim {self.name!r} or no subject."), "claims")
        if self.name == "email" and claims.get("email_verified") is not True:
            raise coded(
                SignInRefused("sign-in: your address of mail is not confirmed by the identity provider."), "mail"
            )
        value = claims.get(self.claim)
        values = value if isinstance(value, list) else [value]
        found = [self.roles[each] for each in values if isinstance(each, str) and each in self.roles]
        if not found:
            raise coded(SignInRefused("sign-in: you have no role here. Ask the administrator for one."), "no_role")
        proof = json.dumps([self.issuer, subject, claims.get("iat"), claims.get("nonce"), claims.get("sid")])
        return plain(name)[:MOST_NAME], max(found, key=ROLES.index), proof


def load(path: Path) -> Providers:
    """Read the settings.

    Raises:
        ConfigError: with every fault.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as TOML: {error}. See docs/rights.md.") from error
    entry = found.get("oidc")
    faults = [f"unknown table or key {plain(key)!r}" for key in found if key != "oidc"]
    if not isinstance(entry, dict):
        raise ConfigError(f"{path}: need a table [oidc]. See docs/rights.md.")
    faults += [f"oidc: unknown key {plain(key)!r}" for key in entry if key not in KEYS]
    for key in ("issuer", "name", "claim"):
        if not isinstance(entry.get(key), str) or not entry[key]:
            faults.append(f"oidc.{key}: need a text")
    if not str(entry.get("issuer", "")).startswith(("https://", "http://127.0.0.1", "http://localhost")):
        faults.append("oidc.issuer: need an address that begins with https://")
    roles, providers = entry.get("roles"), entry.get("providers", ["default"])
    if not isinstance(roles, dict) or not roles:
        roles = {}
        faults.append("oidc.roles: need at least one value with a role; everybody else is refused")
    else:
        faults += [
            f"oidc.roles.{plain(value)!r}: got {plain(str(role))[:40]!r}, need one of {', '.join(ROLES)}"
            for value, role in roles.items()
            if role not in ROLES
        ]
    if (
        not isinstance(providers, list)
        or not providers
        or not all(isinstance(each, str) and each for each in providers)
    ):
        faults.append("oidc.providers: need a list of names")
    if not isinstance(entry.get("audience", ""), str):
        faults.append("oidc.audience: need a text")
    if faults:
        raise ConfigError("\n".join(f"{path}: {fault}." for fault in faults))
    return Providers(
        entry["issuer"], entry["name"], entry["claim"], dict(roles), tuple(providers), entry.get("audience", "")
    )


def provided(path: str) -> Providers | None:
    """The settings of a path; None where none is given."""
    return load(Path(path)) if path else None


def secrets_faults(folders: Sequence[Path], providers: Sequence[str]) -> list[str]:
    """What is missing in the ``secrets.toml`` that Streamlit reads for ``st.login``, without any of its values.

    Args:
        folders: those in which Streamlit looks, the last one counts.
        providers: the names that the settings give.
    """
    auth: dict[str, Any] = {}
    for path in (folder / ".streamlit" / "secrets.toml" for folder in folders):
        if path.is_file():
            try:
                auth |= tomllib.loads(path.read_text(encoding="utf-8")).get("auth", {})
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
                return [f"{path}: cannot be read as TOML"]
    if not auth:
        return [".streamlit/secrets.toml: there is no table [auth]"]
    faults = [f"secrets.toml: [auth] has no {key}" for key in ("redirect_uri", "cookie_secret") if not auth.get(key)]
    if len(str(auth.get("cookie_secret", ""))) < 32:
        faults.append("secrets.toml: [auth] cookie_secret is shorter than 32 characters")
    for provider in providers:
        table, where = (auth, "[auth]") if provider == "default" else (auth.get(provider), f"[auth.{provider}]")
        if not isinstance(table, dict):
            faults.append(f"secrets.toml: there is no table {where}")
            continue
        needed = ("client_id", "client_secret", "server_metadata_url")
        faults += [f"secrets.toml: {where} has no {key}" for key in needed if not table.get(key)]
    return faults
