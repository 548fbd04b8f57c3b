"""The error tree is what its docstring draws, and no secret leaves through it."""

import importlib
import pickle
import re

import pytest

from crowdwatch import errors
from crowdwatch.errors import CrowdWatchError, redact

FUNCTIONS = {"all_faults", "redact"}
NAMES = [name for name in errors.__all__ if name not in {"CrowdWatchError", *FUNCTIONS}]


def drawn():
    """name -> (depth in the drawing, builtins named beside it)."""
    found = {}
    for line in errors.__doc__.splitlines():
        match = re.match(r"^ {4}([│ ]*)[├└]── (\w+)(?: \((\w+)\))?", line)
        if match:
            found[match[2]] = (len(match[1]) // 4, match[3])
    return found


def test_the_drawing_is_the_module():
    defined = {name for name, it in vars(errors).items() if isinstance(it, type) and issubclass(it, CrowdWatchError)}
    assert set(drawn()) == defined - {"CrowdWatchError"}
    assert defined | FUNCTIONS == set(errors.__all__)
    assert list(errors.__all__) == sorted(errors.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_a_child_derives_from_the_root_and_from_a_fitting_builtin(name):
    error = getattr(errors, name)
    assert issubclass(error, CrowdWatchError)
    builtins = [base for base in error.__mro__ if base.__module__ == "builtins"]
    assert any(base not in (Exception, BaseException, object) for base in builtins)
    depth, builtin = drawn()[name]
    assert (depth > 0) == (CrowdWatchError not in error.__bases__)
    if builtin is not None:
        assert builtin in [base.__name__ for base in error.__bases__]
    assert error.__doc__
    assert error.__doc__.strip().endswith(".")
    assert str(error("what, evidence, remedy")) == "what, evidence, remedy"


@pytest.mark.parametrize("name", NAMES)
def test_an_error_comes_back_from_another_process(name):
    """Workers of a batch and children of benchmarks send their errors through pickle; importing distributed makes
    pickle call the ``__new__`` of every exception."""
    importlib.import_module("distributed")
    for args in (("what, evidence, remedy",), (28, "No space left on device", "log.parquet")):
        error = getattr(errors, name)(*args)
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is type(error)
        assert (str(back), back.args) == (str(error), error.args)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://guard:hunter2@10.0.0.7/live", "rtsp://***@10.0.0.7/live"),
        ("rtsp://guard@10.0.0.7/live", "rtsp://***@10.0.0.7/live"),
        ("http://cam/v?user=a&password=b&x=1", "http://cam/v?user=***&password=***&x=1"),
        ("http://cam/v?TOKEN=abc", "http://cam/v?TOKEN=***"),
        ("postgresql+psycopg://u:p%40ss@db/x and sqlite:///a.sqlite", "postgresql+psycopg://***@db/x and sqlite:///a.sqlite"),
        ("nothing to hide at noon@home", "nothing to hide at noon@home"),
    ],
)  # fmt: skip
def test_redact(text, shown):
    assert redact(text) == shown
    assert redact(shown) == shown
