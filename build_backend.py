"""The build of the package: setuptools' own, after the console's front-end libraries are in ``console/static``.

pip and other builders call the hooks below (PEP 517, PEP 660). ``python build_backend.py`` brings the libraries into a
checkout without installing it; ``python build_backend.py lock`` also writes ``console/webjars.lock`` anew, after a
change of ``LIBRARIES`` in `console/front_end.py`. The package jgo is needed only while the local Maven repository lacks
a jar.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # builders load this file by its path; the modules below need no installed package

from console import front_end  # noqa: E402
from embedded import jars  # noqa: E402
from embedded.errors import JarMismatch, JarsMissing  # noqa: E402

LOCK_HEADER: Final = (
    "# The WebJars of the console's front-end libraries: group:artifact:version and sha256.\n"
    "# Written by `python build_backend.py lock`, read when the package is built.\n"
)
WEBJARS: Final = jars.JarSet(
    owner="Console",
    lock_file=front_end.LOCK_FILE,
    way_out="put the jars of webjars.lock into that folder, or name another local Maven repository in M2_REPO",
)
FAILED: Final = 2
FAILURES: Final = (JarsMissing, JarMismatch, front_end.FrontEndMissing)
"""What a person can put right: one line on standard error, and the exit code FAILED."""


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build a wheel that has the front-end libraries; returns its file name.

    setuptools packs all that lies in ``build/lib``: what an earlier build left there, perhaps of files that have moved
    or gone since, is removed first.
    """
    from setuptools import build_meta

    _unpack_or_exit()
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build the wheel of an editable installation, and bring the front-end libraries into the checkout."""
    from setuptools import build_meta

    _unpack_or_exit()
    return str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What a build needs beside ``build-system.requires``: jgo, where a WebJar has yet to be fetched."""
    from setuptools import build_meta

    try:
        absent = jars.absent(WEBJARS)
    except FAILURES as error:
        _say(f"watchloop: {error}")
        raise SystemExit(FAILED) from error
    needed = list(build_meta.get_requires_for_build_wheel(config_settings))
    if absent:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        needed += [requirement for requirement in extras["local"] if requirement.startswith("jgo")]
    return needed


get_requires_for_build_editable = get_requires_for_build_wheel


def __getattr__(name: str) -> Any:
    """Every other hook is setuptools' own."""
    from setuptools import build_meta

    return getattr(build_meta, name)


def main(arguments: list[str]) -> int:
    """The command line: nothing, or ``lock``. Returns the exit code."""
    if arguments not in ([], ["lock"]):
        _say("usage: python build_backend.py [lock]")
        return FAILED
    try:
        if arguments:
            jars.write_lock(map(jars.jar_at, front_end.LIBRARIES), front_end.LOCK_FILE, LOCK_HEADER)
        files = front_end.unpack(jars.resolve(WEBJARS, _say))
    except FAILURES as error:
        _say(f"watchloop: {error}")
        return FAILED
    _say(f"Console: {len(files)} files of front-end libraries are in {front_end.STATIC}")
    return 0


def _unpack_or_exit() -> None:
    if code := main([]):
        raise SystemExit(code)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
