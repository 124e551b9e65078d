"""Commands parsed without being run."""

from __future__ import annotations

import typer

UsageError = typer.BadParameter.__base__


def parse(app, arguments):
    """Let the command line parse one command; returns its parameters, raises UsageError."""
    command, context = typer.main.get_command(app), None
    while True:
        context = command.make_context(arguments[0] if arguments else "watchloop", list(arguments), parent=context)
        if not hasattr(command, "commands"):
            return context.params
        rest = [*getattr(context, "_protected_args", []), *context.args]
        _, command, arguments = command.resolve_command(context, rest)
