"""The desk where people sign in and out. It keeps no secret: a token is known to the browser, its hash to the store."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from crowdwatch.accounts.passwords import check_password, hashed, is_password
from crowdwatch.core.accounts import Account, By, EntryKind, SignIn, account_key, check_name, check_role, coded
from crowdwatch.core.ports import People
from crowdwatch.core.text import plain
from crowdwatch.errors import ConfigError, SignInRefused

__all__ = ["CODE_LIFE_S", "SHIFT_S", "Desk", "new_code", "token_hash"]

NS = 1_000_000_000

SHIFT_S = 12 * 3600.0
"""A sign-in lasts for a shift [design value], however it is used; then it is asked for again."""

CODE_LIFE_S = 1800.0
"""So long the code of a first start is good."""

FREE_OF_ACCOUNT, FREE_OF_SOURCE = 5, 20
"""Failures in an hour that cost no time: of one name, and of one address, behind which may be a whole control room. The
next cost 1, 2, 4 seconds and so on, a minute at most."""

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 letters and digits that are not taken for each other."""


def token_hash(token: str) -> str:
    """What the store keeps of a token. It has 256 random bits, so that a plain SHA-256 is enough.

    >>> token_hash("a")[:8]
    'ca978112'
    """
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def new_code() -> str:
    """A code of 100 random bits, in groups of five that can be read out."""
    letters = [secrets.choice(_ALPHABET) for _ in range(20)]
    return "-".join("".join(letters[at : at + 5]) for at in range(0, 20, 5))


def _code_hash(code: str) -> str:
    return token_hash("".join(each for each in code.upper() if each.isalnum()))


@dataclass(frozen=True, slots=True)
class Desk:
    """Signs people in and out, and changes accounts.

    Args:
        people: where accounts, sign-ins and the audit log are kept.
        shift_s: how long a sign-in lasts.
    """

    people: People
    shift_s: float = SHIFT_S

    def sign_in(self, name: str, password: str, source: str, now_ns: int) -> tuple[str, SignIn]:
        """Sign somebody in. Returns the token for the browser, and the sign-in.

        Raises:
            SignInRefused: wrong, or to be tried again later. Unknown names take as long as known ones.
        """
        keys = {f"account:{account_key(name)[:200]}": FREE_OF_ACCOUNT, f"source:{source}": FREE_OF_SOURCE}
        self._count(keys, now_ns)
        known = self.people.known(name)
        good = is_password(password, known[1] if known else None)
        if not good or known is None or known[0].disabled:
            # what is typed as a name may be a password: only names that there are stand in the log
            who = known[0].name if known else ""
            why = "unknown name" if known is None else "disabled" if good else "password"
            self.people.record(EntryKind.SIGN_IN_REFUSED, By(who, "", source), now_ns, {"why": why})
            raise coded(
                SignInRefused("sign-in: name or password is wrong, or the account is disabled. Try again."), "wrong"
            )
        of_account, of_source = keys
        self.people.forgive([of_source], [of_account])
        return self._begin(known[0], "local", source, now_ns)

    def _count(self, keys: dict[str, int], now_ns: int) -> None:
        wait_s = self.people.attempt(keys, now_ns)
        if wait_s > 0:
            raise coded(
                SignInRefused(f"sign-in: too many attempts. Wait {wait_s:.0f} s, then try again."),
                "wait",
                seconds=f"{wait_s:.0f}",
            )

    def _begin(
        self, account: Account, way: str, source: str, now_ns: int, proof: str | None = None
    ) -> tuple[str, SignIn]:
        token = secrets.token_urlsafe(32)
        ends_ns = now_ns + round(self.shift_s * NS)
        sign_in = SignIn(account.name, account.role, way, now_ns, ends_ns, token_hash(token))
        if not self.people.begin(sign_in, By(account.name, account.role, source), proof):
            raise coded(SignInRefused("sign-in: it was ended. Sign in at your identity provider again."), "served")
        return token, sign_in

    def admit(self, name: str, role: str, proof: str, source: str, now_ns: int) -> tuple[str, SignIn]:
        """Begin the sign-in of somebody whom an identity provider has named.

        Args:
            name, role: as the settings read them from the provider's claims.
            proof: what tells this answer of the provider from any other; it serves once.
            source: where the browser is.
            now_ns: clock time.

        Raises:
            SignInRefused: the answer served before.
        """
        account = Account(check_name(plain(name)), check_role(role))
        return self._begin(account, "oidc", source, now_ns, token_hash(proof))

    def known(self, token: str, now_ns: int) -> SignIn | None:
        """Who has this token; None where it stands no more, or never did."""
        return self.people.sign_in(token_hash(token), now_ns) if token else None

    def sign_out(self, sign_in: SignIn, source: str, now_ns: int) -> None:
        """End a sign-in in every tab."""
        self.people.end(sign_in.token_hash, By(sign_in.name, sign_in.role, source), now_ns, "signed out")

    def add(self, name: str, role: str, password: str, by: By, now_ns: int) -> None:
        """Add an account. Raises ConfigError."""
        check_password(password, check_name(name))
        self.people.add(name, check_role(role), hashed(password), by, now_ns)

    def set_role(self, name: str, role: str, by: By, now_ns: int) -> None:
        """Change a role; it ends the sign-ins of the account. Raises ConfigError."""
        self.people.change(name, by, now_ns, role=check_role(role))

    def set_disabled(self, name: str, disabled: bool, by: By, now_ns: int) -> None:
        """Disable an account, which ends its sign-ins, or enable it. Raises ConfigError."""
        self.people.change(name, by, now_ns, disabled=disabled)

    def set_password(self, name: str, password: str, by: By, now_ns: int) -> None:
        """Set another password; it ends the sign-ins of the account. Raises ConfigError."""
        check_password(password, name)
        self.people.change(name, by, now_ns, password_hash=hashed(password))

    def change_own(self, sign_in: SignIn, old: str, new: str, source: str, now_ns: int) -> None:
        """Change the own password, which needs the old one.

        Raises:
            SignInRefused: the old one is wrong, or too many were tried.
            ConfigError: the new one is too weak, or the provider keeps the password.
        """
        if sign_in.way != "local":
            raise coded(ConfigError("password: your identity provider keeps it. Change it there."), "elsewhere")
        key = f"account:{account_key(sign_in.name)}"
        check_password(new, sign_in.name)
        self._count({key: FREE_OF_ACCOUNT}, now_ns)
        known = self.people.known(sign_in.name)
        by = By(sign_in.name, sign_in.role, source)
        if not is_password(old, known[1] if known else None):
            self.people.record(EntryKind.SIGN_IN_REFUSED, by, now_ns, {"why": "password, at its change"})
            raise coded(SignInRefused("password: the present one is wrong. Nothing was changed."), "own_wrong")
        self.people.forgive([], [key])
        self.people.change(sign_in.name, by, now_ns, password_hash=hashed(new))

    def first_code(self, now_ns: int) -> str | None:
        """The code of a first start, to be shown on the terminal alone; None where there is an account."""
        code = new_code()
        return code if self.people.put_code(_code_hash(code), now_ns + round(CODE_LIFE_S * NS)) else None

    def first_account(self, code: str, name: str, password: str, source: str, now_ns: int) -> tuple[str, SignIn]:
        """Make the first account, an administrator, by the code, and sign it in.

        Raises:
            SignInRefused: the code is wrong, used or over.
            ConfigError: the name or the password cannot be one.
        """
        check_password(password, check_name(name))
        key = f"source:{source}"
        self._count({key: FREE_OF_ACCOUNT}, now_ns)
        by = By(name, "administrator", source)
        if not self.people.use_code(_code_hash(code), name, hashed(password), by, now_ns):
            self.people.record(EntryKind.SIGN_IN_REFUSED, By("", "", source), now_ns, {"why": "code of first start"})
            raise coded(
                SignInRefused(
                    "first start: the code is wrong, was used, or is over. Start the page again: it prints another one."
                ),
                "first_code",
            )
        self.people.forgive([], [key])
        return self._begin(Account(name, "administrator"), "local", source, now_ns)
