"""``crowdwatch accounts``: who may use the page, and in which role; and what the page needs before it is served."""

from __future__ import annotations

import getpass
import importlib.util
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from crowdwatch.commands.terminal import DEFAULT_RUNS, RunsPath, StoreUrl, cell, out, tell
from crowdwatch.core.plain_json import to_json
from crowdwatch.core.text import plain
from crowdwatch.errors import ConfigError, MissingPackage

if TYPE_CHECKING:
    from crowdwatch.accounts.desk import Desk
    from crowdwatch.core.accounts import By

__all__ = ["app", "ready", "terminal_user"]

app = typer.Typer(help="Accounts of the page: who may sign in, and in which role.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the account.", metavar="NAME")]
Role = Annotated[str, typer.Option("--role", help="viewer, operator, commander or administrator.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        help="Read the password from the first line of a file that only you can read, or of standard input (-).",
    ),
]

ANOTHERS = stat.S_IRWXG | stat.S_IRWXO


def terminal_user() -> By:
    """Who types: the user of this system, whose right is that of the store's file."""
    from crowdwatch.core.accounts import By

    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return By(name, "", "terminal")


@contextmanager
def _desk(runs: Path, store: str | None, *, create: bool = False) -> Iterator[Desk]:
    from crowdwatch.accounts.desk import Desk
    from crowdwatch.drivers import build

    with closing(build.open_people(build.store_url(runs, store), create=create)) as people:
        yield Desk(people)


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].removesuffix("\r")


def _password(path: Path | None) -> str:
    """A password from a file of mode 600, from standard input, or asked for twice without echo; never an argument.

    Raises:
        ConfigError: others can read the file, or the two differ.
    """
    if path is not None and str(path) == "-":
        return _first_line(sys.stdin.read(4096))
    if path is not None:
        try:
            with path.open(encoding="utf-8") as file:
                if os.fstat(file.fileno()).st_mode & ANOTHERS:
                    raise ConfigError(f"{path}: others may read it. Run: chmod 600 {path}")
                return _first_line(file.read(4096))
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not a text in UTF-8. Write the password alone into it.") from error
    if not sys.stdin.isatty():
        raise ConfigError(
            "password: there is no terminal to ask on. Give it with --password-file FILE, or - for stdin."
        )
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise ConfigError("password: the two differ. Nothing was changed.")
    return password


@app.command()
def add(
    name: Name, role: Role = "operator", password_file: PasswordFile = None, runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:  # fmt: skip
    """Add an account. The password is asked for without echo."""
    from crowdwatch.core.accounts import check_name, check_role

    check_role(role), check_name(name)
    with _desk(runs, store, create=True) as desk:
        desk.add(name, role, _password(password_file), terminal_user(), time.time_ns())
    tell(f"account {name}: added, in the role {role}.")


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    runs: RunsPath = DEFAULT_RUNS,
    store: StoreUrl = None,
) -> None:
    """List the accounts."""
    from dataclasses import asdict

    with _desk(runs, store) as desk:
        known = desk.people.accounts()
    if as_json:
        tell(to_json([asdict(each) for each in known]))
        return
    table = Table("name", "role", "state")
    for each in known:
        table.add_row(*map(cell, (each.name, each.role, "disabled" if each.disabled else "enabled")))
    out.print(table)


@app.command("set-role")
def set_role(name: Name, role: Role, runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None) -> None:
    """Give an account another role; it is signed out everywhere."""
    with _desk(runs, store) as desk:
        desk.set_role(name, role, terminal_user(), time.time_ns())
    tell(f"account {name}: its role is {role} now. It is signed out everywhere.")


@app.command()
def password(
    name: Name, password_file: PasswordFile = None, runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None
) -> None:
    """Set another password; the account is signed out everywhere."""
    with _desk(runs, store) as desk:
        desk.set_password(name, _password(password_file), terminal_user(), time.time_ns())
    tell(f"account {name}: it has another password now. It is signed out everywhere.")


@app.command()
def disable(name: Name, runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None) -> None:
    """Close an account; it is signed out everywhere at once."""
    with _desk(runs, store) as desk:
        desk.set_disabled(name, True, terminal_user(), time.time_ns())
    tell(f"account {name}: disabled, and signed out everywhere.")


@app.command()
def enable(name: Name, runs: RunsPath = DEFAULT_RUNS, store: StoreUrl = None) -> None:
    """Open an account that was disabled."""
    with _desk(runs, store) as desk:
        desk.set_disabled(name, False, terminal_user(), time.time_ns())
    tell(f"account {name}: enabled.")


def ready(url: str, oidc: Path | None) -> None:
    """What the page needs before it is served with a sign-in: settings without faults, and a first account, or the code
    for one, which is printed here and kept nowhere.

    Raises:
        ConfigError: with every fault of the settings of identity providers.
        MissingPackage: the library for identity providers is not installed.
    """
    from crowdwatch.accounts import desk, providers
    from crowdwatch.drivers import build

    if oidc is not None:
        settings = providers.load(oidc)
        faults = providers.secrets_faults([Path.home(), Path.cwd()], settings.providers)
        if faults:
            raise ConfigError("\n".join(f"{fault}. See docs/rights.md." for fault in faults))
        if importlib.util.find_spec("authlib") is None:
            raise MissingPackage("identity providers need another library. Run: pip install 'crowdwatch[oidc]'")
    with closing(build.open_people(url, create=True)) as people:
        code = None if oidc is not None else desk.Desk(people).first_code(time.time_ns())
    if code is not None:
        print(
            f"Nobody has an account yet. Open the page and make the first one with this code, within "
            f"{desk.CODE_LIFE_S / 60:.0f} minutes:\n\n    {plain(code)}\n\nIt is good once, and is kept nowhere.",
            flush=True,
        )
