"""The settings of the whole program: watchloop.toml, then the environment, checked as one before anything starts."""

from __future__ import annotations

import json
import math
import os
import pathlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import inspect as types

from agents.settings import DERIVED, ModelSettings, Settings
from embedded.clickhouse.settings import EmbeddedClickHouseSettings
from embedded.kafka.settings import EmbeddedKafkaSettings
from watchloop.errors import WrongSetting

__all__ = ["FILE_DEFAULT", "ProgramSettings", "inline_value", "is_set", "load_settings", "sections_in_order"]

FILE_DEFAULT = pathlib.Path("watchloop.toml")
PREFIX = "WATCHLOOP_"
NOT_SETTINGS = frozenset(
    {
        "WATCHLOOP_KAFKA_JARS",
        "WATCHLOOP_CONFIG",
        "WATCHLOOP_SLOT",
        "WATCHLOOP_PARENT",
        "WATCHLOOP_HELD_ADDRESS",
        "WATCHLOOP_METRICS_PROCESS",
    }
)
_PATH = re.compile(r"^(?P<what>.*) - at (`key` in )?`\$\.?(?P<path>[^`]*)`$", re.DOTALL)
_CHOICE = re.compile(r"^Invalid enum value (?P<given>.*)$", re.DOTALL)
_ELEMENT = re.compile(r"\[(\.\.\.|\d+)\]")


class ProgramSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set: the settings of the roles, and those of the servers that ``up`` starts itself."""

    embedded_kafka: EmbeddedKafkaSettings = EmbeddedKafkaSettings()
    embedded_clickhouse: EmbeddedClickHouseSettings = EmbeddedClickHouseSettings()


def sections_in_order() -> tuple[str, ...]:
    """The sections as a person reads them: what says how the program runs first, then what it does.

    >>> sections_in_order()[2:7]
    ('console', 'worker', 'embedded_kafka', 'embedded_clickhouse', 'drift')
    """
    roles, every = Settings.__struct_fields__, ProgramSettings.__struct_fields__
    after = roles.index("worker") + 1
    return (*roles[:after], *(name for name in every if name not in roles), *roles[after:])


def load_settings(path: pathlib.Path | None = None, environment: Mapping[str, str] | None = None) -> ProgramSettings:
    """The settings of a file (``watchloop.toml`` if there is one) overridden by the environment.

    ``WATCHLOOP_KAFKA_BOOTSTRAP`` sets ``bootstrap`` of ``[kafka]``; a double underscore goes one table deeper:
    ``WATCHLOOP_DEFAULT_TRIAGE__BUDGET``, ``WATCHLOOP_MODELS_fraud__triage__budget``. Raises WrongSetting.
    """
    tree, source, variables = _tree(path, os.environ if environment is None else environment)
    for name, origin in DERIVED.items():
        section, key = name.split(".")
        if isinstance(tree.get(section), dict) and key in tree[section]:
            raise WrongSetting(
                _explain(f"it is not to be set; it follows from {origin} - at `$.{name}`", source, variables)
            )
    odd = next(_not_finite(tree), None)
    if odd is not None:
        raise WrongSetting(_explain(f"a finite number is expected - at `$.{odd}`", source, variables))
    try:
        return msgspec.convert(tree, ProgramSettings, strict=False)
    except msgspec.ValidationError as error:
        raise WrongSetting(_explain(_named(str(error), tree), source, variables)) from error


def is_set(name: str, path: pathlib.Path | None = None, environment: Mapping[str, str] | None = None) -> bool:
    """Whether a file or the environment says what a setting is, ``kafka.bootstrap`` for one. Raises WrongSetting."""
    tree, _source, _places = _tree(path, os.environ if environment is None else environment)
    section, key = name.split(".")
    return key in tree.get(section, {})


def _tree(path: pathlib.Path | None, environment: Mapping[str, str]) -> tuple[dict[str, Any], str, dict[str, str]]:
    """The settings as a tree, the file that they come from, and the variable of each setting that has one."""
    if path is None and "WATCHLOOP_CONFIG" in environment:
        path = pathlib.Path(environment["WATCHLOOP_CONFIG"])
    tree, source = _read(path)
    return tree, source, _merge_environment(tree, environment)


def _read(path: pathlib.Path | None) -> tuple[dict[str, Any], str]:
    if path is None:
        if not FILE_DEFAULT.exists():
            return {}, "the defaults"
        path = FILE_DEFAULT
    try:
        return tomllib.loads(path.read_text()), str(path)
    except FileNotFoundError as error:
        raise WrongSetting(f"{path}: there is no such file; name a watchloop.toml with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongSetting(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise WrongSetting(f"{path}: cannot be read: {error.strerror}") from error


def _merge_environment(tree: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Put variables into the tree; returns each setting's path with its variable."""
    variables: dict[str, str] = {}
    sections = sorted(ProgramSettings.__struct_fields__, key=len, reverse=True)
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        name = variable.removeprefix(PREFIX)
        section = next((s for s in sections if name.lower().startswith(s + "_")), None)
        if section is None:
            raise WrongSetting(
                f"{variable}: no such setting; it is {PREFIX}SECTION_NAME with one of the sections "
                f"{', '.join(section.upper() for section in sections_in_order())}"
            )
        rest = name[len(section) + 1 :]
        keys = rest.split("__") if section == "models" else rest.lower().split("__")
        at = tree
        for key in (section, *keys[:-1]):
            at = at.setdefault(key, {})
            if not isinstance(at, dict):
                raise WrongSetting(f"{variable}: {key} is not a table")
        at[keys[-1]] = _value(text)
        variables[".".join((section, *keys))] = variable
    return variables


def _not_finite(value: Any, path: str = "") -> Iterator[str]:
    """The paths of numbers that are infinite or NaN, which no bound would refuse."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _not_finite(inner, f"{path}[{number}]")
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, str)
        and value.strip().lower().lstrip("+-") in ("inf", "infinity", "nan")
        and isinstance(_type_at(path.split(".")), types.FloatType)
    ):
        yield path


def _value(text: str) -> Any:
    """A TOML array or table if the text looks like one, else the text; it is converted to the setting's type later."""
    if text[:1] in "[{":
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text


def inline_value(value: object) -> str:
    """A value as TOML on one line, tables too, as variables hold them; None is left out.

    >>> inline_value({"sasl.username": "desk", "shares": [0.5, 1], "on": True})
    '{"sasl.username" = "desk", "shares" = [0.5, 1], "on" = true}'
    """
    if isinstance(value, Mapping):
        entries = (f"{inline_value(key)} = {inline_value(inner)}" for key, inner in value.items() if inner is not None)
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(inline_value, value)) + "]"
    # Strings, numbers and booleans are written as in JSON, except for one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _named(message: str, tree: Mapping[str, Any]) -> str:
    """The message with the name of its model, which msgspec leaves out."""
    for name, model in tree.get("models", {}).items() if "models[...]" in message else ():
        try:
            msgspec.convert(model, ModelSettings, strict=False)
        except msgspec.ValidationError:
            return message.replace("models[...]", f"models.{name}")
    return message


def _explain(message: str, source: str, variables: Mapping[str, str]) -> str:
    """One line: the file or variable, the setting, what is wrong with it, and what it may be."""
    match = _PATH.match(message)
    what, path = (match["what"], match["path"]) if match else (message, "")
    unknown = re.match(r"Object contains unknown field `(.*)`", what)
    if unknown:
        path = f"{path}.{unknown[1]}".lstrip(".")
        what = f"there is no such setting; here it may be one of {', '.join(_fields_at(path.split('.')[:-1]))}"
    choice = _CHOICE.match(what)
    if choice:
        what = f"{choice['given']} is not one of the allowed values: {', '.join(_choices_at(path.split('.')))}"
    table = _ELEMENT.split(path)[0]
    source = variables.get(table) or next((v for key, v in variables.items() if key.startswith(f"{table}.")), source)
    return f"{source}: {path or 'the settings'}: {what}"


def _type_at(path: Sequence[str]) -> types.Type:
    """The type of the setting at a path; for an element of an array, the type of the elements."""
    setting_type: types.Type = types.type_info(ProgramSettings)
    for key in path:
        if isinstance(setting_type, types.DictType):
            setting_type = setting_type.value_type
        elif isinstance(setting_type, types.StructType):
            name = _ELEMENT.split(key)[0]
            setting_type = next((field.type for field in setting_type.fields if field.name == name), setting_type)
        if isinstance(setting_type, types.VarTupleType) and _ELEMENT.search(key):
            setting_type = setting_type.item_type
    return setting_type


def _fields_at(path: Sequence[str]) -> tuple[str, ...]:
    if not path:
        return sections_in_order()
    setting_type = _type_at(path)
    return tuple(field.name for field in setting_type.fields) if isinstance(setting_type, types.StructType) else ()


def _choices_at(path: Sequence[str]) -> list[str]:
    setting_type = _type_at(path)
    return [str(value) for value in setting_type.values] if isinstance(setting_type, types.LiteralType) else []
