"""What commands share that read the store: opening it, and the run that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crowdwatch.commands.terminal import DEFAULT_RUNS, err, literal
from crowdwatch.errors import RunNotFound, StoreUnavailable, redact

if TYPE_CHECKING:
    from crowdwatch.core.ports import Store
    from crowdwatch.core.runs import Run

__all__ = ["RunOption", "chosen_run", "clear_picture_seen", "opened", "opened_store"]

RunOption = Annotated[str | None, typer.Option("--run", help="The run. [default: the newest]")]


@contextmanager
def opened_store(runs: Path, url: str | None) -> Iterator[Store]:
    """The store of a folder of runs, or that of a URL; it must be there."""
    from crowdwatch.drivers import build

    with closing(build.open_store(build.store_url(runs, url), create=False)) as store:
        yield store


@contextmanager
def opened(runs: Path, url: str | None, run_id: str | None) -> Iterator[tuple[Store, Run]]:
    """The store, and the run that is meant."""
    with opened_store(runs, url) as store:
        yield store, chosen_run(store, run_id)


def chosen_run(store: Store, run_id: str | None) -> Run:
    """The run of an id; without one the newest.

    Raises:
        RunNotFound: there is none.
    """
    if run_id is not None:
        return store.run(run_id)
    known = store.runs()
    if not known:
        raise RunNotFound("the store holds no run. Start one, for example with `crowdwatch replay`.")
    return known[0]


def clear_picture_seen(what: str, file: Path) -> None:
    """Write into the audit log that a clear picture was made, where a store is at hand: ``$CROWDWATCH_STORE``, or that
    of the folder ``runs`` here. Without one the file alone tells of it."""
    import time

    from crowdwatch.commands.accounts_commands import terminal_user
    from crowdwatch.core.accounts import EntryKind
    from crowdwatch.drivers import build

    url = build.store_url(DEFAULT_RUNS)
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return
    try:
        with closing(build.open_people(url)) as people:
            detail = {"of": redact(what), "file": str(file)}
            people.record(EntryKind.CLEAR_PICTURE, terminal_user(), time.time_ns(), detail)
    except StoreUnavailable as error:
        err.print(f"The picture does not stand in the audit log: {literal(error)}")
