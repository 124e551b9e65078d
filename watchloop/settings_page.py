"""Writes docs/settings.md from the Structs of the settings, when run as ``python -m watchloop.settings_page``."""

from __future__ import annotations

import ast
import inspect
import json
import pathlib
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect as types

from agents.settings import DERIVED
from watchloop.settings import ProgramSettings, sections_in_order
from watchloop.terminal.screen import print_error

__all__ = ["PAGE", "main", "settings_page"]

PAGE: Final = pathlib.Path(__file__).parents[1] / "docs" / "settings.md"
MIB: Final = 1024 * 1024
TABLE_HEAD: Final = "| setting | default | may be | meaning |\n|---|---|---|---|"
INTRODUCTION: Final = """\
# Settings

Made from the settings' own definitions by `python -m watchloop.settings_page`; a test keeps it up to date.

Settings come from `watchloop.toml` (the one in the working directory, or the file of `--config` or `WATCHLOOP_CONFIG`)
and from the environment, which wins. A variable is `WATCHLOOP_`, the section, `_` and the setting, in capitals;
two underscores go one table deeper: `WATCHLOOP_KAFKA_BOOTSTRAP`, `WATCHLOOP_QUEUE_REVIEW__DUE_SECONDS`. The name of a
model keeps its case: `WATCHLOOP_MODELS_churn__triage__budget`. Arrays and tables are written as TOML.

All settings are checked before anything starts. If a setting is unknown, of the wrong type or out of its bounds, the
program names it, where it was set and what it may be, and ends with exit code 2. A unit stands last in a name.

Variables that are not settings: `WATCHLOOP_CONFIG` (above), `WATCHLOOP_KAFKA_JARS` (a folder with the jars of the
embedded Kafka) and `WATCHLOOP_SLOT` (the default of `watchloop worker --slot`).
"""


def settings_page() -> str:
    """The whole page as Markdown."""
    defaults = ProgramSettings()
    parts = [INTRODUCTION]
    for name in sections_in_order():
        if name == "models":
            parts.append(
                "## `[models.NAME]`\n\n"
                "One table for each model that is watched otherwise than `[default]` says, with the same settings: "
                "`[models.churn.triage]` is what `[default.triage]` is for all others. A model with a table of its own "
                "takes nothing from `[default]`.\n"
            )
        else:
            parts += sections(name, getattr(defaults, name), depth=2)
    return "\n".join(parts)


def sections(path: str, instance: msgspec.Struct, *, depth: int) -> Iterator[str]:
    """The section of a Struct, then the sections of the Structs in it. ``instance`` has the defaults."""
    struct_type = type(instance)
    lines, inner = docstrings(struct_type), []
    rows = []
    for field in msgspec.structs.fields(struct_type):
        value = getattr(instance, field.name)
        if isinstance(value, msgspec.Struct):
            inner.append((f"{path}.{field.name}", value))
            continue
        if f"{path}.{field.name}" in DERIVED:
            continue
        rows.append(row(field, value, lines[field.name]))
    heading = f"{'#' * depth} `[{path}]`\n\n{introduction(struct_type)}\n"
    if rows:
        heading += f"\n{TABLE_HEAD}\n" + "\n".join(rows) + "\n"
    yield heading
    for inner_path, inner_instance in inner:
        yield from sections(inner_path, inner_instance, depth=3)
    for field in msgspec.structs.fields(struct_type):
        element = element_struct(field)
        if element is not None:
            yield array_section(f"{path}.{field.name}", element)


def array_section(path: str, struct_type: type[msgspec.Struct]) -> str:
    """The section of a Struct that may be given several times, as an array of tables."""
    lines = docstrings(struct_type)
    rows = [row(field, field.default, lines[field.name]) for field in msgspec.structs.fields(struct_type)]
    return f"### `[[{path}]]`\n\n{introduction(struct_type)}\n\n{TABLE_HEAD}\n" + "\n".join(rows) + "\n"


def row(field: msgspec.structs.FieldInfo, default: Any, meaning: str) -> str:
    """A setting as a row of a Markdown table."""
    shown = "required" if default is msgspec.NODEFAULT else toml(default)
    if field.name.endswith(("bytes_max", "bytes_min", "_bytes")) and isinstance(default, int) and default % MIB == 0:
        shown += f" ({default // MIB:,} MiB)"
    cells = (f"`{field.name}`", shown, bounds(types.type_info(field.type)), meaning.replace("``", "`"))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def element_struct(field: msgspec.structs.FieldInfo) -> type[msgspec.Struct] | None:
    """The Struct in an array of tables; None for any other setting."""
    info = types.type_info(field.type)
    if isinstance(info, types.VarTupleType) and isinstance(info.item_type, types.StructType):
        return info.item_type.cls
    return None


def introduction(struct_type: type[msgspec.Struct]) -> str:
    """The docstring of a Struct as Markdown."""
    return (inspect.getdoc(struct_type) or "").replace("``", "`")


def docstrings(struct_type: type[msgspec.Struct]) -> dict[str, str]:
    """The docstring below each setting, by the setting's name."""
    body = ast.parse(textwrap.dedent(inspect.getsource(struct_type))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts = {}
    for statement, below in zip(body.body, body.body[1:], strict=False):
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = below.value.value if is_text else ""  # type: ignore[attr-defined]  # is_text checks it
            texts[statement.target.id] = " ".join(str(text).split())
    return {field.name: texts.get(field.name, "") for field in msgspec.structs.fields(struct_type)}


def toml(value: Any) -> str:
    """A default as TOML spells it."""
    if value is None:
        return "none"
    if isinstance(value, tuple | list):
        return "`[" + ", ".join(json.dumps(item) for item in value) + "]`"
    if isinstance(value, dict):
        return "`{}`" if not value else "`{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + " }`"
    return f"`{json.dumps(value)}`"


def bounds(info: types.Type) -> str:
    """The values that a setting may have, in a few words."""
    if isinstance(info, types.BoolType):
        return "`true`, `false`"
    if isinstance(info, types.LiteralType):
        return ", ".join(f"`{json.dumps(value)}`" for value in info.values)
    if isinstance(info, types.IntType | types.FloatType):
        name = "integer" if isinstance(info, types.IntType) else "number"
        limits = {"≥": info.ge, ">": info.gt, "≤": info.le, "<": info.lt}
        return ", ".join([name, *(f"{sign} {_limit(limit)}" for sign, limit in limits.items() if limit is not None)])
    if isinstance(info, types.StrType):
        return f"text like `{info.pattern}`" if info.pattern else "text"
    if isinstance(info, types.VarTupleType):
        if isinstance(info.item_type, types.StructType):
            return f"tables, at most {info.max_length}"
        most = f", at most {info.max_length:,}" if info.max_length else ""
        return f"array of: {bounds(info.item_type)}{most}"
    if isinstance(info, types.UnionType):
        return " or ".join(bounds(inner) for inner in info.types if not isinstance(inner, types.NoneType))
    if isinstance(info, types.DictType):
        return f"table of {bounds(info.value_type)}"
    raise TypeError(f"no words for the bounds of {info!r}")


def _limit(limit: float) -> str:
    """A bound as text, without a point if it is whole: ``typing`` may return an equal type that has a float bound."""
    return f"{int(limit) if limit == int(limit) else limit:,}"


def main() -> None:
    """Write the page; exit code 2 where there is no source tree to write it into."""
    if not PAGE.parent.is_dir():
        print_error(f"{PAGE.parent}: there is no such folder; run this in a source tree of watchloop")
        sys.exit(2)
    PAGE.write_text(settings_page())
    print_error(f"{PAGE} written")


if __name__ == "__main__":
    main()
