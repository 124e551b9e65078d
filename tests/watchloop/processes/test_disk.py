"""Whatever fails on a full disk, one line says that the disk is full, and where."""

from __future__ import annotations

import errno
import pathlib

import pytest

from embedded.errors import KafkaDidNotStart
from watchloop.errors import KeepsEnding, NoAccess, NoRoomLeft
from watchloop.processes import disk
from watchloop.processes.disk import FULL_BYTES, DiskWatch, naming_full_disk

MIB = 1024 * 1024


@pytest.mark.parametrize(
    "error", [KafkaDidNotStart("node 1 ended"), KeepsEnding("worker loop ended 5 times"), OSError(errno.EIO, "Failed")]
)
def test_what_fails_on_a_full_disk_is_told_with_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The line begins with the cause and its place, and keeps what was seen of it."""
    monkeypatch.setattr(disk, "free_bytes", lambda _folder: FULL_BYTES - 1)
    with pytest.raises(NoRoomLeft) as told, naming_full_disk(tmp_path):
        raise error
    line = str(told.value)
    assert line.startswith(f"no space is left on the disk of {tmp_path} (4.0 MiB are free): free some, or")
    assert str(error) in line
    assert "\n" not in line


def test_what_fails_with_room_is_told_as_before(tmp_path: pathlib.Path) -> None:
    """While the disk has room, errors stay as they are; an error that names a file becomes NoAccess."""
    with pytest.raises(KafkaDidNotStart), naming_full_disk(tmp_path):
        raise KafkaDidNotStart("node 1 ended")
    with pytest.raises(NoAccess, match="no/such/file: No such file"), naming_full_disk(tmp_path):
        pathlib.Path("no/such/file").read_text()
    with pytest.raises(OSError, match="Failed"), naming_full_disk(tmp_path):
        raise OSError(errno.EIO, "Failed")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_what_was_full_a_moment_ago(tmp_path: pathlib.Path, number: int) -> None:
    """An error of a full disk, or of a full quota, is reported as such, even if there is room again by then."""
    with pytest.raises(NoRoomLeft, match="no space is left"), naming_full_disk(tmp_path):
        raise OSError(number, "No space left on device", "some.file")


def test_a_disk_that_fills_is_told_once(tmp_path: pathlib.Path) -> None:
    """There is a line each time the disk becomes fuller by a step, and none while it stays or gets emptier."""
    free: list[int | None] = [600 * MIB, 500 * MIB, 490 * MIB, MIB, MIB, None, 500 * MIB, 600 * MIB, 500 * MIB, 0]
    watch = DiskWatch(tmp_path, 512 * MIB, lambda _folder: free.pop(0))
    said = [watch.news() for _ in range(len(free))]
    assert [line[:10] for line in said] == [
        "",
        "little spa",
        "",
        "no space i",
        "",
        "",
        "",
        "",
        "little spa",
        "no space i",
    ]
    assert "500 MiB are free" in said[1]
    assert "disk_free_bytes_min = 512 MiB" in said[1]
    assert str(tmp_path) in said[3]
