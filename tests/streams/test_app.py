"""The faust app of a worker."""

from __future__ import annotations

import pathlib

import pytest

from streams.app import create_app
from streams.errors import NoDataFolder
from streams.settings import KafkaSettings


def test_the_data_folder_is_made(tmp_path: pathlib.Path) -> None:
    """A worker starts on a machine where its folder is not there yet; faust alone would end with a traceback."""
    data = tmp_path / "not" / "there" / "faust"
    create_app(KafkaSettings(), roles=["intake"], data=data)
    assert data.is_dir()
    create_app(KafkaSettings(), roles=["intake"], data=data)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: pathlib.Path) -> None:
    """One line with the folder and the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(NoDataFolder, match=r"file/faust: cannot be made .*worker\.data"):
        create_app(KafkaSettings(), roles=["intake"], data=tmp_path / "file" / "faust")
