"""What is wrong with a command line, said as every other error is: one line on standard error and exit code 2."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
import typer.core

from warehouse.errors import one_line
from watchloop.cli.help_pages import with_whole_words
from watchloop.terminal.screen import print_error

__all__ = ["Nouns", "OneLineGroup"]

_UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]
_HELP: Final = "NoArgsIsHelpError"
_VALIDATOR: Final = "Value error, "
"""What the library that checks values puts before its reasons."""


with_whole_words()


class Nouns(typer.core.TyperGroup):
    """Commands of one noun, each listed with all of the first paragraph of its help."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in the help of the group."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, (command.help or "").split("\n\n")[0]) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class OneLineGroup(Nouns):
    """The program's commands, whose complaints about a wrong command line are one line each."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; what is wrong with its words ends the program with one line."""
        run = functools.partial(super().main, args, prog_name, complete_var, False, windows_expand_args, **extra)
        if not standalone_mode:
            return run()
        try:
            code = run()
        except _UsageError as error:
            if type(error).__name__ == _HELP:
                error.show()  # type: ignore[attr-defined]  # the library's own class, which it does not export
            else:
                print_error(_line_of(error))
            sys.exit(2)
        except typer.Abort:
            print_error("watchloop: ended without an answer")
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)


def _line_of(error: Any) -> str:
    reason = one_line(str(error.format_message()).replace(_VALIDATOR, "")).rstrip(".")
    named = error.ctx.command_path if error.ctx is not None else "watchloop"
    return f"watchloop: {reason}; {named} --help says what there is"
