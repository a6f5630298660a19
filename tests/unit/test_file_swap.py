"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeserve.errors import ConfigError
from edgeserve.file_swap import write_where_asked, write_whole


def test_a_file_takes_the_place_of_another(tmp_path: Path) -> None:
    file = tmp_path / "a"
    for data in (b"before", b"", b"after"):
        write_whole(file, data)
        assert file.read_bytes() == data
    assert list(tmp_path.iterdir()) == [file]


def test_what_was_there_stays_and_the_error_names_it(tmp_path: Path) -> None:
    """A folder cannot be replaced by a file: the last thing that can go wrong."""
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError) as caught:  # noqa: PT011
        write_whole(tmp_path / "a", b"data")
    assert caught.value.filename == str(tmp_path / "a")
    with pytest.raises(ConfigError, match=r"cannot write .*/absent/b"):
        write_where_asked(tmp_path / "absent" / "b", b"data")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").is_dir()
