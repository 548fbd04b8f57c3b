"""Whatever stands in an event file, loading gives an event or a ConfigError that lists faults; nothing else."""

import copy
import io
import math
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from crowdwatch import config
from crowdwatch.errors import ConfigError

ROOT = Path(__file__).parents[2]
TEXTS = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "examples").glob("*/event.yaml"))]
TREES = [YAML(typ="safe", pure=True).load(text) for text in TEXTS]

NASTY = st.sampled_from(
    [
        None, True, 0, -1, 1e308, -0.0, math.nan, math.inf, 10**40, "", " ", "off", "nan", "1", "\u0000", "éñ", [], {},
        [[]], [[0, 0]], [[0, 0], [1, 1], [1, 0], [0, 1]], {"en": "x"}, {"watch": 1}, "2026-12-31T00:00:00Z", "..", "/",
    ]
)  # fmt: skip
RANDOM = st.recursive(
    NASTY | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def load(content: bytes) -> None:
    """Load, and hold the promise."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "event.yaml"
        path.write_bytes(content)
        try:
            event = config.load(path)
        except ConfigError:
            return
    assert config.from_json(event.model_dump_json()) == event
    config.to_site(event)
    assert all(len(row) == 3 and row[2] for row in config.explain(event))


def written(tree: Any) -> bytes:
    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(tree, out)
    return out.getvalue().encode("utf-8", errors="surrogatepass")


def places(tree: Any, path: tuple = ()) -> list[tuple]:
    found = [path] if path else []
    if isinstance(tree, dict):
        found += [place for key, value in tree.items() for place in places(value, (*path, key))]
    if isinstance(tree, list):
        found += [place for key, value in enumerate(tree) for place in places(value, (*path, key))]
    return found


# a load takes 10 ms; the examples are few so that the suite stays quick, and differ on every run outside CI
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_sound_file_with_values_exchanged_or_taken_away(data: st.DataObject) -> None:
    tree = copy.deepcopy(data.draw(st.sampled_from(TREES)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.sampled_from(places(tree)))
        holder = tree
        for part in place[:-1]:
            holder = holder[part]
        match data.draw(st.sampled_from(["exchange", "take", "double", "rename"])):
            case "exchange":
                holder[place[-1]] = data.draw(RANDOM)
            case "take":
                del holder[place[-1]]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[place[-1]]))
            case "rename" if isinstance(holder, dict):
                holder[data.draw(st.text(max_size=8))] = holder.pop(place[-1])
        if not places(tree):
            break
    load(written(tree))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TEXTS), st.data())
def test_a_sound_file_with_its_text_spoiled(text: str, data: st.DataObject) -> None:
    content = text.encode()
    start = data.draw(st.integers(0, len(content)))
    gone = data.draw(st.integers(0, 40))
    new = data.draw(
        st.binary(max_size=6) | st.sampled_from([b"\t", b": ", b"- ", b"[", b"}", b"&a ", b"*a ", b"\n", b"#"])
    )
    load(content[:start] + new + content[start + gone :])


@settings(max_examples=60, deadline=None)
@given(RANDOM)
def test_random_structures(tree: Any) -> None:
    load(written(tree))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes(content: bytes) -> None:
    load(content)
