"""What is found in a recording is kept on the disk: other processes take it, and a damaged file costs only time."""

from dataclasses import fields
from pathlib import Path

import films
import numpy as np
import pytest

from crowdwatch.sources import kept, reading
from crowdwatch.sources.index import PacketIndex
from crowdwatch.sources.recording import Recording


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return films.film(tmp_path / "film.mp4", range(12))


def recording(film: Path, folder: Path | None) -> Recording:
    reading._remembered.cache_clear()  # as another process
    found = Recording(film, camera_id="c", start_ns=0, kept_in=folder)
    if folder is not None:
        found.keep(folder)
    return found


def test_nothing_of_an_index_is_left_out() -> None:
    assert {*kept.ARRAYS, *kept.FRACTIONS, *kept.PLAIN, "shown"} == {each.name for each in fields(PacketIndex)}


def test_another_process_reads_it_no_more(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = recording(film, tmp_path / "kept")
    before = [(pair.current.stamp, pair.current.image_bgr.sum()) for pair in first.pairs()]
    assert len(before) > 5

    def refused(*_: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(reading, "read_index", refused)
    again = recording(film, tmp_path / "kept")
    assert [(pair.current.stamp, pair.current.image_bgr.sum()) for pair in again.pairs()] == before
    assert (again.span_ns, again.image_hw, again.notes) == (first.span_ns, first.image_hw, first.notes)
    with pytest.raises(AssertionError, match="read again"):
        recording(film, None)


def test_a_changed_or_damaged_file_is_read_again(film: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "kept"
    span = recording(film, folder).span_ns
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for content in (b"", whole[:200], b"no archive"):
        file.write_bytes(content)
        assert recording(film, folder).span_ns == span
    assert caplog.text.count("It is read again") == 3
    np.savez(file.with_suffix(""), facts=np.frombuffer(b'{"version": 0}', np.uint8))
    assert recording(film, folder).span_ns == span
    films.film(film, range(24))
    assert recording(film, folder).span_ns != span
    assert len(list(folder.iterdir())) == 2


def test_a_folder_that_cannot_be_written_costs_only_time(film: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert recording(film, tmp_path / "file").span_ns == recording(film, None).span_ns
