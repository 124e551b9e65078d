"""An event's features as ClickHouse keeps them: numbers, large integers and texts, each in a map of its own.

The map of numbers holds doubles, so that ``avg(features['age'])`` works, and a name that an event lacks gives NULL.
Doubles hold integers up to 2^53. Larger ones, mostly ids, are in ``features_integer`` with all their digits, so that
``features`` never has a number that was not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import chain, compress
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.wire.base import Scalar

__all__ = ["CODED", "TEXT", "FeatureMaps", "ends_of", "feature_maps", "joined_features", "split_features"]

EXACT_MAX: Final = 2**53
"""Up to this integer a double holds every one."""

DIGITS_MAX: Final = 76
"""Digits of ClickHouse's Decimal256; integers beyond are texts of their digits."""

TOO_LARGE: Final = 10**DIGITS_MAX

TEXT: Final = pa.string()
CODED: Final = pa.dictionary(pa.int32(), pa.string())
"""Texts that repeat, as codes; ClickHouse takes the codes over into a LowCardinality column."""

NUMBER, INTEGER, WORD, NOTHING = range(4)
MAP_OF_TYPE: Final[dict[type, int]] = {float: NUMBER, int: INTEGER, bool: NUMBER, str: WORD, type(None): NOTHING}
NUMBER_TYPES: Final = frozenset({float, int, bool})


class FeatureMaps(NamedTuple):
    """The three maps of one event, each name to value; or three columns of such maps."""

    numbers: Any
    integers: Any
    texts: Any


def map_of(value: Scalar) -> int:
    """Which map holds a value: ``NUMBER``, ``INTEGER``, ``WORD``, or ``NOTHING`` for none."""
    target = MAP_OF_TYPE[type(value)]
    if target != INTEGER:
        return target
    size = abs(value)  # type: ignore[arg-type]
    return NUMBER if size <= EXACT_MAX else INTEGER if size < TOO_LARGE else WORD


def split_features(features: Mapping[str, Scalar]) -> FeatureMaps:
    """The maps of one event; true is 1, false 0, and null is in none of them.

    >>> split_features({"age": 41, "id": 1875924584784080993, "plan": "basic", "none": None})
    FeatureMaps(numbers={'age': 41.0}, integers={'id': 1875924584784080993}, texts={'plan': 'basic'})
    """
    numbers: dict[str, float] = {}
    integers: dict[str, int] = {}
    texts: dict[str, str] = {}
    for name, value in features.items():
        target = map_of(value)
        if target == NUMBER:
            numbers[name] = float(value)  # type: ignore[arg-type]
        elif target == INTEGER:
            integers[name] = value  # type: ignore[assignment]
        elif target == WORD:
            texts[name] = str(value)
    return FeatureMaps(numbers, integers, texts)


def joined_features(
    numbers: Mapping[str, float | None], integers: Mapping[str, Decimal | int | None], texts: Mapping[str, str | None]
) -> dict[str, Scalar]:
    """The features of a stored event, joined from its maps; those that were null are missing.

    >>> joined_features({"age": 41.0}, {"id": Decimal(2**60)}, {"plan": "basic"})
    {'age': 41.0, 'id': 1152921504606846976, 'plan': 'basic'}
    """
    whole = {name: None if value is None else int(value) for name, value in integers.items()}
    return {**numbers, **whole, **texts}


def feature_maps(features: Sequence[Mapping[str, Scalar]]) -> FeatureMaps:
    """The maps of all events, as three pyarrow.MapArrays."""
    keys = list(chain.from_iterable(features))
    values = list(chain.from_iterable([event.values() for event in features]))
    names = list(features[0]) if features else []
    # No name is twice in an event, so this says that all events have these names in this order.
    if names and keys == names * len(features):
        maps = _even(names, [values[column :: len(names)] for column in range(len(names))])
        if maps is not None:
            return maps
    return _uneven(keys, values, ends_of(features))


def ends_of(runs: Sequence[Any]) -> Any:
    """Where each run begins in the values of all runs, and where the last one ends.

    >>> ends_of([[1, 2], [], [3]]).tolist()
    [0, 2, 2, 3]
    """
    return np.concatenate([[0], np.cumsum(np.fromiter(map(len, runs), np.int32, len(runs)), dtype=np.int32)])


def _even(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> FeatureMaps | None:
    """The maps of events that all have the same names; None if the values of one name belong into different maps."""
    rows = len(columns[0])
    numbers: dict[str, npt.NDArray[np.float64]] = {}
    integers: dict[str, list[str]] = {}
    texts: dict[str, Sequence[str]] = {}
    for name, column in zip(names, columns, strict=True):
        types = frozenset(map(type, column))
        if types == {str}:
            texts[name] = column
        elif types <= NUMBER_TYPES:
            doubles = np.array(column, np.float64)
            if int not in types or np.abs(doubles).max() < EXACT_MAX:
                numbers[name] = doubles
            elif {map_of(value) for value in column} == {INTEGER}:
                integers[name] = list(map(str, column))
            else:
                return None
        else:
            return None
    table = np.empty((rows, len(numbers)))
    for number, doubles in enumerate(numbers.values()):
        table[:, number] = doubles
    return FeatureMaps(
        _even_maps(list(numbers), rows, pa.array(table.ravel())),
        _even_maps(list(integers), rows, _texts(_by_row(integers))),
        _even_maps(list(texts), rows, _texts(_by_row(texts))),
    )


def _by_row(columns: Mapping[str, Sequence[str]]) -> list[str]:
    return list(chain.from_iterable(zip(*columns.values(), strict=True)))


def _even_maps(names: Sequence[str], rows: int, items: Any) -> Any:
    """Maps that all have the same keys."""
    codes = np.tile(np.arange(len(names), dtype=np.int32), rows)
    ends = np.arange(rows + 1, dtype=np.int32) * len(names)
    keys = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, TEXT))
    return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), keys, items)


def _uneven(keys: Sequence[str], values: Sequence[Scalar], ends: Any) -> FeatureMaps:
    """The maps of events that differ in names, or in the maps that values of one name belong into."""
    targets = np.fromiter(map(MAP_OF_TYPE.__getitem__, map(type, values)), np.int8, len(values))
    whole = targets == INTEGER
    sizes = np.abs(np.array(list(compress(values, whole.tolist())), np.float64))
    large = np.flatnonzero(whole)[sizes >= EXACT_MAX].tolist()
    targets[whole] = NUMBER
    targets[large] = [map_of(values[index]) for index in large]
    coded = pa.array(keys, CODED)
    maps = []
    for target, array_of in ((NUMBER, _doubles), (INTEGER, _digits), (WORD, _digits)):
        chosen = targets == target
        before = np.concatenate([[0], np.cumsum(chosen, dtype=np.int32)])
        items = array_of(list(compress(values, chosen.tolist())))
        maps.append(pa.MapArray.from_arrays(pa.array(before[ends], pa.int32()), coded.filter(pa.array(chosen)), items))
    return FeatureMaps(*maps)


def _doubles(values: Sequence[Any]) -> Any:
    return pa.array(np.array(values, np.float64))


def _digits(values: Sequence[Any]) -> Any:
    return _texts(list(map(str, values)))


def _texts(values: Sequence[Any]) -> Any:
    return pa.array(values, TEXT)
