"""Files that only their owner may read: made so, and refused where they are not.

A data folder holds passwords, keys and everything that producers sent. One rule protects it: only its owner may read or
write in it. So nobody else can put anything, such as a link, under a name that the program opens later. And nobody else
may write in a folder above it, because that account could replace the whole data folder.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pathlib
import pwd
import stat
from collections.abc import Iterator
from typing import IO, Final

from schemas.kept_files import read_kept
from watchloop.errors import NoAccess

__all__ = [
    "check_folder",
    "check_tree",
    "open_private",
    "owned_by_others",
    "private_umask",
    "read_private",
    "write_private",
]

OTHERS: Final = 0o077
OTHERS_WRITE: Final = 0o022
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
ROOT: Final = 0
READ_BYTES_MAX: Final = 1024 * 1024
LINKS_MAX: Final = 40
"""Links on the way to a folder; Linux follows at most as many (path_resolution(7))."""


@contextlib.contextmanager
def private_umask() -> Iterator[None]:
    """Inside this context only their owner may read new files, of this process and of those that it starts."""
    with _umask(OTHERS):
        yield


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def check_folder(path: pathlib.Path) -> None:
    """Make a folder that only this account may read and write, or check an existing one; raises NoAccess.

    An empty folder of this account, as ``mkdir`` makes it, is closed to others. One with files in it is refused if
    others may read or write in it, because they may have done so. So is one that others could rename.
    """
    try:
        with _umask(OTHERS_WRITE):
            path.parent.mkdir(parents=True, exist_ok=True)
        for step in _steps(path):
            _refuse_link(path, step)
        for above in _above(path):
            _refuse_renaming(path, above)
        with contextlib.suppress(FileExistsError):
            path.mkdir(FOLDER_MODE)
        state = path.stat()
        _refuse_owner(path, state)
        if state.st_mode & OTHERS:
            if any(path.iterdir()):
                raise NoAccess(
                    f"{path}: others may read or write in it (mode {_mode(state)}); "
                    f"check that everything in it is yours, then run chmod 700 {path}"
                )
            path.chmod(FOLDER_MODE)
    except OSError as error:
        raise NoAccess(
            f"{path}: cannot be written ({error.strerror}); name another folder with --data or worker.data"
        ) from error


def owned_by_others(path: pathlib.Path) -> list[pathlib.Path]:
    """The folders above a path that belong to neither root nor this account: their owners could replace the path."""
    return [above for above in _above(path) if above.stat().st_uid not in (os.geteuid(), ROOT)]


def _above(path: pathlib.Path) -> list[pathlib.Path]:
    """The folders above a path, both by its name and by the target of each link on the way."""
    return list(dict.fromkeys(step.parent for step in _steps(path)))


def _steps(path: pathlib.Path) -> list[pathlib.Path]:
    """Every folder and link on the way to a path, the path included.

    Raises OSError where the links are too many.
    """
    passed: dict[pathlib.Path, None] = {}
    names, links = [path.absolute()], 0
    while names:
        step = names.pop()
        if step in passed:
            continue
        passed[step] = None
        names.append(step.parent)
        if step.is_symlink():
            links += 1
            if links > LINKS_MAX:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            names.append(step.parent / step.readlink())
    return list(passed)


def _refuse_link(path: pathlib.Path, step: pathlib.Path) -> None:
    """Refuse a link of another account, who could change its target, in a folder with the sticky bit too."""
    if step.is_symlink() and step.lstat().st_uid not in (os.geteuid(), ROOT):
        raise NoAccess(
            f"{step}: a link of another account, which could let it lead elsewhere; name the folder without it: "
            f"--data {path.resolve()}"
        )


def _refuse_renaming(path: pathlib.Path, above: pathlib.Path) -> None:
    """Refuse a folder in which others may rename entries; with the sticky bit only their owners may."""
    state = above.stat()
    by_group = state.st_mode & stat.S_IWGRP and not _is_private_group(state.st_gid)
    if state.st_mode & stat.S_ISVTX or not (by_group or state.st_mode & stat.S_IWOTH):
        return
    raise NoAccess(
        f"{above}: others may write in it (mode {_mode(state)}), and so put another folder in the place of {path};"
        f" run chmod +t {above}, or name a folder elsewhere: --data"
    )


def _is_private_group(group: int) -> bool:
    """Whether a group is root's, or this account's own group with no other member, as some systems make."""
    if group == ROOT:
        return True
    try:
        name, entry = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return entry.gr_name == name and set(entry.gr_mem) <= {name}


def check_tree(path: pathlib.Path, *, skipped: frozenset[str], secret: frozenset[str], public: frozenset[str]) -> None:
    """Refuse links, and files that another account owns or may write, anywhere in a folder; raises NoAccess.

    The names are paths within this folder. Of a ``skipped`` folder only the folder itself is checked: a server alone
    opens files in it. Others may not read a ``secret`` file, or a ``secret`` folder with its files, except ``public``
    paths. Files of root are accepted like those of this account.
    """
    for folder, folders, files in os.walk(path, onerror=_raise):
        here = pathlib.Path(folder)
        for name in (*folders, *files):
            entry = here / name
            within = str(entry.relative_to(path))
            with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                is_secret = _is_of(within, secret) and not _is_of(within, public)
                _check_entry(entry, OTHERS if is_secret else OTHERS_WRITE)
        if str(here.relative_to(path)) in skipped:
            folders.clear()


def _check_entry(entry: pathlib.Path, forbidden: int) -> None:
    state = entry.lstat()
    if stat.S_ISLNK(state.st_mode):
        if state.st_uid == ROOT != os.geteuid():
            return
        raise NoAccess(f"{entry}: is a link, and a data folder may hold none; see where it leads, then remove it")
    if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode) or stat.S_ISSOCK(state.st_mode)):
        raise NoAccess(f"{entry}: is neither a file nor a folder, and a data folder may hold nothing else; remove it")
    _refuse_owner(entry, state)
    if state.st_mode & forbidden:
        may = "read or write" if forbidden == OTHERS else "write"
        private = "700" if stat.S_ISDIR(state.st_mode) else "600"
        raise NoAccess(
            f"{entry}: others may {may} it (mode {_mode(state)}); check that it is as you left it, then run "
            f"chmod {private} {entry}"
        )


def _is_of(within: str, names: frozenset[str]) -> bool:
    return within in names or any(within.startswith(f"{name}/") for name in names)


def _raise(error: OSError) -> None:
    if isinstance(error, FileNotFoundError):
        return
    raise NoAccess(f"{error.filename}: cannot be read ({error.strerror})") from error


def _refuse_owner(path: pathlib.Path, state: os.stat_result) -> None:
    if state.st_uid not in (os.geteuid(), ROOT):
        raise NoAccess(
            f"{path}: belongs to another account (user id {state.st_uid}); run this as that account, "
            "or name another folder: --data"
        )


def _mode(state: os.stat_result) -> str:
    return f"{stat.S_IMODE(state.st_mode):04o}"


def open_private(path: pathlib.Path, flags: int) -> IO[str]:
    """Open a file that only its owner may read; refuse symbolic and hard links. Raises OSError."""
    mode = "r" if flags & os.O_ACCMODE == os.O_RDONLY else "r+"
    # Opening a FIFO must not wait for a writer.
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, FILE_MODE)
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "is not a file; remove it")
        if state.st_nlink > 1:
            raise OSError(errno.EMLINK, "is a hard link: the same file has another name; remove this one")
    except OSError:
        os.close(file)
        raise
    return os.fdopen(file, mode)


def read_private(path: pathlib.Path) -> bytes:
    """The content of a secret file. Raises FileNotFoundError, and NoAccess where others may read or write it."""
    try:
        _check_entry(path, OTHERS)
        return read_kept(path, READ_BYTES_MAX)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NoAccess(f"{path}: cannot be read ({error.strerror})") from error


def write_private(path: pathlib.Path, data: bytes) -> None:
    """Write a file that only its owner may read, completely or not at all; raises NoAccess."""
    new = path.with_suffix(".new")
    try:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
    except OSError as error:
        raise NoAccess(f"{path}: cannot be written ({error.strerror})") from error
