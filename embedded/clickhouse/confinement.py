"""The kernel confines the process of the embedded ClickHouse, whatever statements it is asked to run.

Linux has two means that need no privilege and no dependency. **Landlock** takes away every file that is not named: the
process may read Python and its libraries, and may read and write its own folder. It may start no program, open no TCP
connection, and send no signal to a process outside. **seccomp** takes away new sockets altogether, and with them UDP,
name look-ups and the sockets of other programs; the socket on which the process listens was opened before. Both hold
for the process, its threads and its children, and cannot be undone. They are put up before the engine starts threads:
a thread that runs already would stay free.

Sources: https://docs.kernel.org/userspace-api/landlock.html, seccomp(2)
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["Walls", "confine", "readable_paths"]

PR_SET_NO_NEW_PRIVS: Final = 38
PR_SET_SECCOMP: Final = 22
SECCOMP_MODE_FILTER: Final = 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION: Final = 1
RULE_PATH_BENEATH: Final = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
CONNECT_AND_BIND_TCP: Final = 0b11
ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11
FILES_OF_ABI: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights on files that a version of Landlock knows; each version adds some."""
ABI_MIN: Final = 2
"""Version 1 lets no file move from one folder to another, which the engine does when it drops a table."""
ABI_NETWORK, ABI_SCOPES = 4, 6

ENGINE: Final = "chdb"
LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store")
FACTS: Final = (
    "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/usr/share/locale",
    "/etc/ssl/openssl.cnf",
    "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom",
    "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage",
)  # fmt: skip
"""Files that Python and the engine read about the system. None holds a secret; those of /proc are about the machine."""

EPERM: Final = 1
NEW_SOCKETS: Final = {
    # machine: (number of the architecture, of socket(2)); io_uring_setup is 425 everywhere and opens sockets as well
    "x86_64": (0xC000003E, 41),
    "aarch64": (0xC00000B7, 198),
}
IO_URING_SETUP: Final = 425


@dataclass(frozen=True, slots=True)
class Walls:
    """Which walls stand. ``landlock`` is its version, 0 where it is absent or too old; ``reason`` says why."""

    landlock: int
    sockets: bool
    reason: str = ""

    @property
    def whole(self) -> bool:
        """Whether both files and network are out of reach."""
        return self.landlock >= ABI_MIN and self.sockets

    def line(self, folder: Path) -> str:
        """A line for the log: which walls stand and which do not."""
        if not self.landlock:
            files = f"NO wall around files: {self.reason}"
        else:
            files = f"files: only {folder} and libraries (Landlock {self.landlock})"
        tcp = "no TCP (Landlock)" if self.landlock >= ABI_NETWORK else "NO wall around the network"
        network = "no new sockets (seccomp)" if self.sockets else tcp
        signals = "no signals" if self.landlock >= ABI_SCOPES else "signals to others are NOT refused"
        rest = "" if self.whole else "; what holds without a wall is the check of statements"
        return f"walls: {files}; {network}; {signals}{rest}"


def readable_paths(search: Sequence[str], prefixes: Iterable[str]) -> list[Path]:
    """Where Python and its packages lie: of ``search`` (sys.path) only the folders of installed packages."""
    libraries = [Path(prefix, "lib") for prefix in prefixes]
    libraries += [Path(entry) for entry in search if {"site-packages", "dist-packages"} & set(Path(entry).parts)]
    engine = find_spec(ENGINE)
    libraries += [Path(folder) for folder in (engine.submodule_search_locations or () if engine else ())]
    paths = [*libraries, *map(Path, LIBRARIES), *map(Path, FACTS)]
    return [path for path in dict.fromkeys(paths) if path.exists()]


def confine(folder: Path) -> Walls:
    """Confine this process to ``folder`` and Python's libraries; call it before any other thread is started.

    A wall that the kernel does not offer is left out, and the result says so. Raises ValueError where the folder lies
    within the libraries: it would be readable with them.
    """
    readable = readable_paths(sys.path, (sys.prefix, sys.base_prefix))
    inside = next((path for path in readable if folder.resolve().is_relative_to(path.resolve())), None)
    if inside is not None:
        raise ValueError(f"{folder} lies within {inside}, which is readable; choose another folder")
    if not sys.platform.startswith("linux"):
        return Walls(0, sockets=False, reason=f"{sys.platform} has no Landlock")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return Walls(0, sockets=False, reason=f"no_new_privs is refused ({_error()})")
    landlock, reason = _landlock(libc, folder, readable)
    return Walls(landlock, _seccomp(libc, platform.machine()), reason)


def _landlock(libc: ctypes.CDLL, folder: Path, readable: Iterable[Path]) -> tuple[int, str]:
    abi = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)
    if abi < 0:
        return 0, f"the kernel has no Landlock ({_error()})"
    if abi < ABI_MIN:
        return 0, f"the kernel's Landlock is version {abi}, before {ABI_MIN}"
    files = FILES_OF_ABI[max(version for version in FILES_OF_ABI if version <= abi)]
    attributes = struct.pack(
        "QQQ",
        files,
        CONNECT_AND_BIND_TCP if abi >= ABI_NETWORK else 0,
        ABSTRACT_SOCKETS_AND_SIGNALS if abi >= ABI_SCOPES else 0,
    )
    size = 24 if abi >= ABI_SCOPES else 16 if abi >= ABI_NETWORK else 8
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return 0, f"Landlock takes no rules ({_error()})"
    try:
        _allow(libc, ruleset, folder, files & ~EXECUTE)
        for path in readable:
            _allow(libc, ruleset, path, files & (READ_FILE | READ_DIR))
        if Path("/dev/null").exists():
            _allow(libc, ruleset, Path("/dev/null"), files & (READ_FILE | WRITE_FILE | TRUNCATE))
        if libc.syscall(RESTRICT_SELF, ruleset, 0):
            return 0, f"Landlock is refused ({_error()})"
    finally:
        os.close(ruleset)
    return int(abi), ""


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """Grant rights on a file, or on a folder and everything in it; a path that cannot be opened stays out of reach."""
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
        libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
    finally:
        os.close(opened)


def _seccomp(libc: ctypes.CDLL, machine: str) -> bool:
    """Refuse new sockets with EPERM, by whichever system call; False where the machine is not known or refuses."""
    if machine not in NEW_SOCKETS:
        return False
    architecture, socket_number = NEW_SOCKETS[machine]
    load, equal, at_least, answer = 0x20, 0x15, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | EPERM
    steps = [
        (load, 0, 0, 4),  # the architecture of the call
        (equal, 0, 4, architecture),
        (load, 0, 0, 0),  # the number of the call
        (at_least, 2, 0, 0x40000000),  # the x32 calls of x86_64 have numbers of their own
        (equal, 1, 0, socket_number),
        (equal, 0, 1, IO_URING_SETUP),
        (answer, 0, 0, refuse),
        (answer, 0, 0, allow),
    ]
    packed = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = ctypes.create_string_buffer(packed, len(packed))
    head = struct.pack("HP", len(steps), ctypes.addressof(program))
    return bool(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0) == 0)


def _error() -> str:
    return os.strerror(ctypes.get_errno())
