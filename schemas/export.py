"""Writes the JSON Schema of every Struct that travels: ``python -m schemas.export [FOLDER]``."""

from __future__ import annotations

import inspect
import json
import pathlib
import sys
from typing import Any

import msgspec

from schemas.topics import ALL_TOPICS
from schemas.wire.given import GivenLabel, GivenPrediction
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction

__all__ = ["json_schemas", "main"]

WRITTEN: dict[type, type] = {Prediction: GivenPrediction, Label: GivenLabel}
"""Struct that the program works with, to the more lenient Struct that says what producers may write."""

FOLDER = pathlib.Path(__file__).parent / "json"


def json_schemas() -> dict[str, dict[str, Any]]:
    """File name to JSON Schema (draft 2020-12) of the value of every topic that carries JSON."""
    return {
        f"{topic.name}.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": topic.value.__name__,
            **_cleaned(msgspec.json.schema(WRITTEN.get(topic.value, topic.value))),
        }
        for topic in ALL_TOPICS
        if topic.value is not None
    }


def _cleaned(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its descriptions free of indentation, as docstrings are from Python 3.13 on."""
    cleaned: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "description" and isinstance(value, str):
            cleaned[name] = inspect.cleandoc(value)
        else:
            cleaned[name] = _cleaned(value) if isinstance(value, dict) else value
    return cleaned


def main() -> None:
    """Write every schema into the folder of the first argument, or into schemas/json."""
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in json_schemas().items():
        (folder / name).write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
