"""What the program prints about its command line: help pages, and one line for what is wrong with a command."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any, Final

import typer
import typer.core

from schemas.texts.one_line import one_line
from watchloop.terminal.screen import print_error
from watchloop.terminal.table_layout import lines_of

__all__ = ["Nouns", "OneLineGroup", "WholeWords"]

_Context: Final[Any] = typer.Context.__mro__[1]
_Formatter: Final[Any] = _Context.formatter_class
"""Classes that the library does not export."""
_UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]
_HELP: Final = "NoArgsIsHelpError"
_REASON_CHARS_MAX: Final = 600
"""Characters of what is wrong with a command line; a longer text is cut."""
_VALIDATOR: Final = "Value error, "
"""The library that checks values puts this before its reasons."""

TEXT_CELLS_MIN: Final = 20


class WholeWords(_Formatter):  # type: ignore[misc]  # its base is not exported
    """The library's formatter, except that lines are broken only between words, never within ``--no-labels``."""

    width: int
    current_indent: int

    def write_text(self, text: str) -> None:
        """Write paragraphs at the present indentation."""
        indent = " " * self.current_indent
        paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
        for number, paragraph in enumerate(paragraphs):
            if number:
                self.write("\n")
            for line in lines_of(paragraph, self.width - self.current_indent):
                self.write(f"{indent}{line}\n")

    def write_dl(self, rows: Sequence[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names with their meanings beside them, or below a name that is longer than ``col_max``."""
        indent = " " * self.current_indent
        first = min(max((len(name) for name, _meaning in rows), default=0), col_max) + col_spacing
        for name, meaning in rows:
            lines = lines_of(" ".join(meaning.split()), max(self.width - first - self.current_indent, TEXT_CELLS_MIN))
            if len(name) + col_spacing <= first:
                self.write(f"{indent}{name:{first}}{lines.pop(0)}".rstrip() + "\n")
            else:
                self.write(f"{indent}{name}\n")
            for line in lines:
                self.write(f"{indent}{'':{first}}{line}\n")


_Context.formatter_class = WholeWords


class Nouns(typer.core.TyperGroup):
    """The commands of a noun; its help page lists each with the whole first paragraph of that command's help."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, (command.help or "").split("\n\n")[0]) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class OneLineGroup(Nouns):
    """The program's commands. An error in a command line is one line on standard error, and exit code 2."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit; a wrong command line ends the program with one line."""
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
    reason = one_line(str(error.format_message()).replace(_VALIDATOR, ""), _REASON_CHARS_MAX).rstrip(".")
    named = error.ctx.command_path if error.ctx is not None else "watchloop"
    return f"watchloop: {reason}; {named} --help says what there is"
