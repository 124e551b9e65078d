"""``--train-first`` trains on features of any type, without constant and empty ones."""

from __future__ import annotations

import datetime as dt
import decimal
import pathlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest

from watchloop.errors import WrongTable
from watchloop.recorded.columns import Columns
from watchloop.recorded.replayable import Replayable
from watchloop.recorded.table import RecordedTable
from watchloop.recorded.training import CATEGORIES_MAX, numbers_of_feature, train_first

SIZE = 300
DRAW = np.random.default_rng(0)
FLAG = DRAW.random(SIZE) < 0.5
USEFUL: dict[str, Any] = {
    "bool": FLAG,
    "decimal": [decimal.Decimal("1.25") if flag else decimal.Decimal("2.50") for flag in FLAG],
    "date": [dt.date(2026, 1, 1) + dt.timedelta(days=int(300 * flag) + n % 200) for n, flag in enumerate(FLAG)],
    "stamp": [
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=9000 * int(flag) + n)
        for n, flag in enumerate(FLAG)
    ],
    "duration": [dt.timedelta(seconds=60 if flag else 5) for flag in FLAG],
    "category": pa.array(np.where(FLAG, "gold", "basic")).dictionary_encode(),
    "large": pa.array(np.where(FLAG, "gold", "basic"), pa.large_string()),
    "missing": [1.5 if flag else None for flag in FLAG],
    "huge": np.where(FLAG, 1e308, -1e308),
    "unsigned": pa.array([2**64 - 1 if flag else 0 for flag in FLAG], pa.uint64()),
}
USELESS: dict[str, Any] = {
    "null": pa.nulls(SIZE),
    "nan": np.full(SIZE, np.nan),
    "inf": np.full(SIZE, np.inf),
    "constant": np.full(SIZE, 7),
    "word": ["same"] * SIZE,
    "later": [None] * 150 + [1.0] * 150,
}


def trained(folder: pathlib.Path, columns: dict[str, Any], *, share: float = 0.3, truth: Any = FLAG) -> Replayable:
    path = folder / "table.arrow"
    pyarrow.feather.write_feather(pa.table({**columns, "truth": truth}), path)
    return train_first(RecordedTable.load(path, Columns(label="truth")), share=share, model="m", seed=0)


@pytest.mark.parametrize("name", USEFUL)
def test_every_type_can_be_learned_from(tmp_path: pathlib.Path, name: str) -> None:
    """A predictive feature is learned in any type, beside features that predict nothing."""
    source = trained(tmp_path, {name: USEFUL[name], **USELESS})
    right = np.mean([a == b for a, b in zip(source.answers, source.truths, strict=True)])
    assert right > 0.95
    assert "trained without null, nan, inf, constant, word, later" in "\n".join(source.notes)


@pytest.mark.parametrize(
    ("column", "meaning"),
    [
        (pa.array([1.5, None]), "number"),
        (pa.array([True, False]), "number"),
        (pa.nulls(2), "number"),
        (pa.array(["2026-01-02 03:04:05", None]), "time"),
        (pa.array(["2026-01-02", "soon"]), "few codes"),
        (pa.array([f"customer {n}" for n in range(CATEGORIES_MAX)]), "few codes"),
        (pa.array([f"customer {n}" for n in range(CATEGORIES_MAX + 1)]), "many codes"),
    ],
    ids=["number", "bool", "null", "time", "no-time", "few", "many"],
)
def test_what_the_numbers_of_a_feature_are(column: Any, meaning: str) -> None:
    """Codes of many texts are not taken for times or for numbers."""
    assert numbers_of_feature(pa.chunked_array([column])).meaning == meaning


def test_many_categories_are_codes(tmp_path: pathlib.Path) -> None:
    """More texts than a tree takes as categories are trained on, and are sent as texts."""
    names = [f"customer {n}" for n in DRAW.permutation(SIZE)]
    source = trained(tmp_path, {"who": names, "flag": FLAG})
    assert source.predictions(0, 1)[0].features == {"who": names[90], "flag": bool(FLAG[90])}


@pytest.mark.parametrize(
    ("columns", "share", "truth", "says"),
    [
        (USELESS, 0.3, FLAG, "say nothing in the first 90 rows"),
        (USEFUL, 0.3, [True] * SIZE, "one label only ('true')"),
        (USEFUL, 0.3, [True] * 100 + [False] * 200, "the first 90 rows have one label only"),
        (USEFUL, 0.001, FLAG, "leaves 0 of 300 rows to train on"),
        (USEFUL, 0.02, FLAG, "leaves 6 of 300 rows to train on"),
    ],
    ids=["useless", "one-class", "one-class-at-first", "nothing", "tiny"],
)
def test_what_cannot_be_trained_on(
    tmp_path: pathlib.Path, columns: dict[str, Any], share: float, truth: Any, says: str
) -> None:
    """The error is one line instead of a traceback of the learner."""
    with pytest.raises(WrongTable) as caught:
        trained(tmp_path, columns, share=share, truth=truth)
    assert says in str(caught.value)


def test_a_label_that_is_a_number_without_end(tmp_path: pathlib.Path) -> None:
    """The target of a regression is refused as a label."""
    size = 2_000
    with pytest.raises(WrongTable, match="1400 different labels"):
        trained(tmp_path, {"x": DRAW.random(size)}, share=0.7, truth=DRAW.random(size))
