"""The roles of a table's columns, as the command line gives them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from watchloop.errors import WrongTable
from watchloop.recorded.words import listed, quoted

__all__ = ["Columns", "CountedTimes", "names_of", "resolved", "split"]

_NAME = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?:,|$)|([^,]*)(?:,|$)')


@dataclasses.dataclass(frozen=True, slots=True)
class CountedTimes:
    """The times that a running number stands for: 0 is ``first_ms`` (epoch), and each step adds ``step_ms``."""

    first_ms: int
    step_ms: int


@dataclasses.dataclass(frozen=True, slots=True)
class Columns:
    """The roles of a table's columns, by their names.

    ``features`` None takes every column that has no other role and is not in ``drop``; a column of ``slices`` may be a
    feature too. Without ``time``, a column is taken for the time by its name and its values, unless ``no_time`` is set.
    ``time_unit``, one of ``time_numbers.UNITS``, is the unit of numbers that count from 1970; ``counted_times`` are
    the times that a running number stands for.
    """

    label: str | None = None
    time: str | None = None
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    prediction: str | None = None
    confidence: str | None = None
    probabilities: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    time_unit: str | None = None
    no_time: bool = False
    counted_times: CountedTimes | None = None


def split(names: str | None) -> tuple[str, ...]:
    """The names in a list with commas; double quotes enclose a name with a comma, or an empty one. Blanks are kept.

    >>> split('a, b,"c,d",""')
    ('a', ' b', 'c,d', '')
    """
    split_names: list[str] = []
    at = 0
    while names and at < len(names):
        match = _NAME.match(names, at)
        assert match is not None, "the second alternative matches anything"
        quoted_name, plain = match.groups()
        if quoted_name is not None:
            split_names.append(quoted_name.replace('""', '"'))
        elif plain.strip():
            split_names.append(plain)
        at = match.end()
    return tuple(split_names)


def names_of(columns: Columns) -> dict[str, tuple[str, ...]]:
    """The columns that each option names, by the option: ``--label`` and so on."""
    return {
        "--label": () if columns.label is None else (columns.label,),
        "--time": () if columns.time is None else (columns.time,),
        "--features": columns.features or (),
        "--drop": columns.drop,
        "--prediction": () if columns.prediction is None else (columns.prediction,),
        "--confidence": () if columns.confidence is None else (columns.confidence,),
        "--probabilities": columns.probabilities,
        "--slices": columns.slices,
    }


def resolved(columns: Columns, there: Sequence[str]) -> Columns:
    """The roles with the names as the table spells them. Raises WrongTable where one is missing, or roles collide.

    >>> resolved(Columns(label="outcome", drop=("id",)), ["id ", "age", "outcome"]).drop
    ('id ',)
    """
    known = set(there)
    names = {option: _resolved(option, given, known, there) for option, given in names_of(columns).items()}
    if columns.features is not None and not names["--features"]:
        raise WrongTable("--features names no column")
    if columns.no_time and columns.time is not None:
        raise WrongTable("--time and --no-time exclude each other")
    if columns.time_unit is not None and columns.no_time:
        raise WrongTable("--time-unit and --no-time exclude each other")
    _check_apart(names)
    return dataclasses.replace(
        columns,
        label=_single(names["--label"]),
        time=_single(names["--time"]),
        features=names["--features"] or None,
        drop=names["--drop"],
        prediction=_single(names["--prediction"]),
        confidence=_single(names["--confidence"]),
        probabilities=names["--probabilities"],
        slices=names["--slices"],
    )


def _single(names: tuple[str, ...]) -> str | None:
    return names[0] if names else None


def _resolved(option: str, given: tuple[str, ...], known: set[str], there: Sequence[str]) -> tuple[str, ...]:
    """The table's spelling of each name, which may differ in blanks around it; or of one name that has commas in it."""
    spelt: list[str] = []
    for name in given:
        trimmed = [column for column in there if column.strip() == name.strip()]
        if name in known:
            spelt.append(name)
        elif len(trimmed) == 1:
            spelt += trimmed
        elif (whole := ",".join(given)) in known:
            return (whole,)
        else:
            alike = [column for column in there if column.strip().casefold() == name.strip().casefold()]
            hint = f"; did you mean {quoted(alike[0])}?" if alike else ""
            raise WrongTable(f"has no column {quoted(name)} ({option}); its columns are {listed(there)}{hint}")
    return tuple(dict.fromkeys(spelt))


def _check_apart(names: dict[str, tuple[str, ...]]) -> None:
    """Raise WrongTable where the model would see the true label in another role, or where the time is dropped."""
    for option in ("--features", "--prediction", "--confidence", "--probabilities", "--slices", "--time"):
        both = set(names["--label"]) & set(names[option])
        if both:
            what = f"one of {option}" if option in ("--features", "--probabilities", "--slices") else option
            raise WrongTable(f"column {quoted(both.pop())} is both --label and {what}; a model must not see it")
    both = set(names["--drop"]) & set(names["--time"])
    if both:
        raise WrongTable(f"column {quoted(both.pop())} is both --drop and --time")
