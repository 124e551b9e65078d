"""The data folder is its owner's alone: what others could read, write or have put there is refused in one line."""

from __future__ import annotations

import os
import pathlib
import stat

import pytest
from typer.testing import CliRunner

from watchloop.cli.main import app
from watchloop.errors import NoAccess
from watchloop.processes import private_files
from watchloop.processes.folder import ClickHouseEndpoint, DataFolder, Endpoints

ENDPOINTS = Endpoints(kafka="k", clickhouse=ClickHouseEndpoint(url="u", users={}), console="c")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> DataFolder:
    """A data folder with all that a program leaves in it."""
    data = DataFolder(tmp_path / "data")
    with data.own():
        data.secrets()
        for name in ("keys/public", "log", "metrics", "kafka/node-1/data", "clickhouse/store"):
            (data.path / name).mkdir(parents=True)
        for name in FILES:
            (data.path / name).write_text("x")
    return data


FILES = (
    "keys/signing.pem",
    "keys/public/4711.pub",
    "log/loop.log",
    "metrics/counter_1.db",
    "kafka/cluster.json",
    "kafka/cluster.new",
    "kafka/log4j2.properties",
    "kafka/node-1/server.properties",
    "clickhouse/port",
    "clickhouse/server.log",
    "clickhouse/owner.lock",
)


def refused(folder: DataFolder) -> str:
    """The one line with which an owner, and a worker, is refused."""
    with pytest.raises(NoAccess) as error, folder.own():
        pass
    line = str(error.value)
    assert "\n" not in line
    return line


def test_everything_made_is_private(folder: DataFolder) -> None:
    """Also under the usual umask, which lets everybody read."""
    before = os.umask(0o022)
    try:
        with folder.own():
            folder.write_endpoints(ENDPOINTS)
            (folder.path / "new").mkdir()
            for path in (folder.path, *folder.path.rglob("*")):
                assert not path.stat().st_mode & 0o077, path
        assert os.umask(0o022) == 0o022, "the umask of before"
    finally:
        os.umask(before)


def test_it_is_taken_again(folder: DataFolder) -> None:
    """What an owner leaves is what the next one takes."""
    with folder.own():
        assert folder.is_owned()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o777])
def test_a_folder_that_others_use(folder: DataFolder, mode: int) -> None:
    """Whoever could read it may know its passwords; the line says how to close it."""
    folder.path.chmod(mode)
    line = refused(folder)
    assert f"mode {mode:04o}" in line
    assert f"chmod 700 {folder.path}" in line


def test_an_empty_folder_is_closed(tmp_path: pathlib.Path) -> None:
    """``mkdir data`` is no reason to refuse: nothing was there to be read."""
    (tmp_path / "data").mkdir(0o755)
    with DataFolder(tmp_path / "data").own():
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["secrets.json", "keys/signing.pem", "keys"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_secret_that_others_may_read(folder: DataFolder, name: str, mode: int) -> None:
    """It may be known, or another's."""
    file = folder.path / name
    file.chmod(mode | (0o100 if file.is_dir() else 0))
    line = refused(folder)
    assert str(file) in line
    assert "chmod" in line


@pytest.mark.parametrize("name", ["log/loop.log", "keys/public/4711.pub", "kafka/node-1/server.properties", "log"])
def test_what_others_may_write(folder: DataFolder, name: str) -> None:
    """A public key of somebody else's would sign models; a server's configuration decides whom it lets in."""
    (folder.path / name).chmod(0o722)
    assert str(folder.path / name) in refused(folder)


@pytest.mark.parametrize("name", [*FILES, "lock", "secrets.json", "secrets.new", "endpoints.json", "log", "kafka"])
def test_links_lead_nowhere(folder: DataFolder, tmp_path: pathlib.Path, name: str) -> None:
    """Whatever is opened by its name is no link: it could lead to a file of its owner's that is then overwritten."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    planted = folder.path / name
    if planted.is_dir():
        planted.rename(tmp_path / "elsewhere")
    else:
        planted.unlink(missing_ok=True)
    planted.symlink_to(victim)
    line = refused(folder)
    assert str(planted) in line
    assert "is a link" in line
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR | os.O_CREAT])
def test_the_lock_is_never_followed(tmp_path: pathlib.Path, flags: int) -> None:
    """A link in the place of the lock is refused, also by a command that only asks whether the folder is owned."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        private_files.open_private(tmp_path / "lock", flags)


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR | os.O_CREAT])
def test_the_lock_is_a_file_of_its_own(tmp_path: pathlib.Path, flags: int) -> None:
    """Taking the lock empties its file, so a hard link to another file is refused; so is a FIFO, with its own words."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "lock").hardlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="is a hard link"):
        private_files.open_private(tmp_path / "lock", flags)
    (tmp_path / "lock").unlink()
    os.mkfifo(tmp_path / "lock", 0o600)
    with pytest.raises(OSError, match="is not a file"):
        private_files.open_private(tmp_path / "lock", flags)


def test_somebody_elses(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of another account is refused, and so is a file of another account in it."""
    monkeypatch.setattr(private_files.os, "geteuid", lambda: 12345)
    monkeypatch.setattr(private_files, "ROOT", 54321)
    assert f"user id {os.getuid()}" in refused(folder)


def above(tmp_path: pathlib.Path, mode: int) -> pathlib.Path:
    """A folder of a mode, two above that of a data folder."""
    team = tmp_path / "team"
    (team / "ada").mkdir(parents=True)
    team.chmod(mode)
    return team


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o775, 0o2775])
def test_a_folder_that_others_could_rename(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """Whoever may write above it could put another in its place: nothing is made, and the line says what helps."""
    monkeypatch.setattr(private_files, "_is_private_group", lambda _group: False)
    team = above(tmp_path, mode)
    folder = DataFolder(team / "ada" / "data")
    line = refused(folder)
    assert line.startswith(f"{team}: others may write in it (mode {mode:04o})")
    assert f"chmod +t {team}" in line
    assert not folder.path.exists()
    team.chmod(mode | stat.S_ISVTX)
    with folder.own():
        assert folder.notes() == []


def test_a_link_to_where_others_could_rename(tmp_path: pathlib.Path) -> None:
    """What counts is where the folder lies as well as by which name it is found."""
    team = above(tmp_path, 0o777)
    (tmp_path / "link").symlink_to(team / "ada")
    assert refused(DataFolder(tmp_path / "link" / "data")).startswith(f"{team}: others may write in it")
    (team / "back").symlink_to(tmp_path)
    assert refused(DataFolder(team / "back" / "data")).startswith(f"{team}: others may write in it")


def test_a_link_that_others_could_turn(tmp_path: pathlib.Path) -> None:
    """Every link of a chain is checked: one in the middle that others can replace is refused."""
    team = above(tmp_path, 0o777)
    (tmp_path / "own").mkdir()
    (team / "middle").symlink_to(tmp_path / "own")
    (tmp_path / "link").symlink_to("team/middle")
    assert refused(DataFolder(tmp_path / "link" / "data")).startswith(f"{team}: others may write in it")
    team.chmod(0o755)
    with DataFolder(tmp_path / "link" / "data").own():
        assert (tmp_path / "own" / "data" / "lock").exists()


def test_a_link_of_another_account(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link of another account is refused, since its owner can change it, sticky bit or not; one's own is accepted."""
    (tmp_path / "own").mkdir(0o700)
    link = tmp_path / "data"
    link.symlink_to(tmp_path / "own")
    private_files.check_folder(link)
    lstat = pathlib.Path.lstat

    def of_another(path: pathlib.Path) -> os.stat_result:
        state = lstat(path)
        return os.stat_result((*state[:4], 4711, *state[5:])) if path == link else state

    monkeypatch.setattr(pathlib.Path, "lstat", of_another)
    with pytest.raises(NoAccess, match=r"data: a link of another account, .*--data .*own$"):
        private_files.check_folder(link)


def test_links_without_an_end(tmp_path: pathlib.Path) -> None:
    """A link that leads to itself, by whatever way, is refused like a folder that cannot be written."""
    (tmp_path / "link").symlink_to("other/../link")
    (tmp_path / "other").mkdir()
    with pytest.raises(OSError, match="symbolic links"):
        private_files._above(tmp_path / "link" / "data")
    assert "cannot be written" in refused(DataFolder(tmp_path / "link" / "data"))


def test_the_private_group_of_an_account(tmp_path: pathlib.Path) -> None:
    """A folder that the account's own group may write is nobody else's: many systems make all folders so."""
    with DataFolder(above(tmp_path, 0o775) / "ada" / "data").own():
        assert private_files._is_private_group(os.getgid())
    assert not private_files._is_private_group(2**31 - 7)


def test_folders_above_are_made_for_nobody_else(tmp_path: pathlib.Path) -> None:
    """Also under a umask that lets everybody write: what was made would be refused at once."""
    with private_files._umask(0), DataFolder(tmp_path / "new" / "er" / "data").own():
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o755


def test_who_owns_a_folder_above_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That account can move the data folder away, and is trusted: ``up`` says which it is."""
    folder = DataFolder(tmp_path / "data")
    assert folder.notes() == []
    monkeypatch.setattr(private_files.os, "geteuid", lambda: 12345)
    monkeypatch.setattr(private_files, "ROOT", 54321)
    assert f"{tmp_path} belongs to another account (user id {os.getuid()})" in folder.notes()[0]


COMMANDS = (
    ("query", "SELECT 1"), ("topics", "list"), ("topics", "create"), ("warehouse", "install"), ("users", "list"),
    ("users", "add", "ada", "--role", "admin"), ("alerts", "list"), ("models", "list"), ("check",),
    ("replay", "table.csv", "--model", "m", "--prediction", "p"),
)  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_command_looks_at_the_folder(folder: DataFolder, arguments: tuple[str, ...]) -> None:
    """Also while its program runs: what others could write or have put there is refused before anything is read."""
    with folder.own():
        folder.write_endpoints(ENDPOINTS)
        (folder.path / "log").chmod(0o777)
        answer = CliRunner().invoke(app, [*arguments, "--data", str(folder.path)])
        assert (answer.exit_code, len(answer.stderr.splitlines())) == (2, 1), answer.output
        assert str(folder.path / "log") in answer.stderr
        (folder.path / "log").chmod(0o700)
        (folder.path / "log" / "planted").symlink_to("/etc/passwd")
        assert "is a link" in CliRunner().invoke(app, [*arguments, "--data", str(folder.path)]).stderr


def test_a_folder_of_something_else(tmp_path: pathlib.Path) -> None:
    """A folder of tables that is called ``data`` has no addresses and is left as it is."""
    (tmp_path / "data").mkdir(0o755)
    (tmp_path / "data" / "table.csv").write_text("x")
    assert DataFolder(tmp_path / "data").endpoints() is None
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o755


def test_endpoints_of_somebody_else(folder: DataFolder) -> None:
    """A command does not take addresses and passwords from a file that others could have written."""
    with folder.own():
        folder.write_endpoints(ENDPOINTS)
        folder.endpoints_file.chmod(0o666)
        with pytest.raises(NoAccess, match=r"endpoints\.json"):
            folder.endpoints()
