"""What the benchmark of live runs found, in the order of its table, for people and for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

__all__ = ["Measured", "kinds", "print_table"]

MESSAGES = 10
"""Of what was said, the most frequent."""

WIDE = 170
"""Columns of the table in a file."""


@dataclass(slots=True)
class Measured:
    """What is found, in the order of the table.

    Args:
        values: by name, for programs.
        rows: (what, figure, must, aim) for people.
    """

    values: dict[str, Any]
    rows: list[tuple[str, str, str, str]]

    def add(self, name: str, value: Any, what: str, figure: str, must: str = "", aim: str = "") -> None:
        """One figure."""
        self.values[name] = value
        self.rows.append((what, figure, must, aim))

    def percentiles(self, name: str, seconds: Sequence[float], what: str, must: str = "", aim: str = "") -> None:
        """Times: the 95th and 99th percentile, and the median."""
        p50, p95, p99 = (float(each) for each in np.percentile(seconds, (50, 95, 99)))
        figures = {"p50_s": p50, "p95_s": p95, "p99_s": p99, "n": len(seconds)}
        self.add(name, figures, f"{what}, p95 / p99", f"{p95:.2f} / {p99:.2f} s (median {p50:.2f})", must, aim)


def kinds(messages: Mapping[str, int]) -> dict[str, int]:
    """What was said, each sentence once whatever camera, number and time stood in it.

    >>> kinds({"camera a: 2 of 9 were lost. camera b: 1 of 8 were lost.": 2, "camera a: 3 of 9 were lost.": 1})
    {'camera X: N of N were lost.': 3}
    """
    found: dict[str, int] = {}
    for message, times in messages.items():
        pieces = re.split(r"(?<=\.) (?=camera [\w-]+: |stream \S+: )", message)
        named = (re.sub(r"^camera [\w-]+:", "camera X:", piece) for piece in pieces)
        for kind in {re.sub(r"(?<![\w-])\d[\d.:TZ-]*\b", "N", piece) for piece in named}:
            found[kind] = found.get(kind, 0) + times
    return dict(sorted(found.items(), key=lambda each: -each[1])[:MESSAGES])


def print_table(found: Measured, title: str) -> None:
    """For people."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    table = Table("", "measured", "must", "aim", title=title)
    for row in found.rows:
        table.add_row(*row)
    console.print(table)
    for message, times in found.values.get("messages", {}).items():
        console.print(f"said {times} times: {message}", markup=False)
