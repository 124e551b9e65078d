"""Rows made from columns: they decode to the Structs they stand for, and what does not fit is said at once."""

from __future__ import annotations

import msgspec
import pytest

from schemas.codec import decode
from schemas.columns.wire_rows import WireRows
from schemas.wire.label import Label
from schemas.wire.verdict import Verdict

CONSTANT = {"model": "m", "decision": "accept", "inclusion_probability": 0.02, "decided_at": 7}
COLUMNS = {"event_id": ["a", "b"], "time": [1, 2], "uncertainty": [0.5, 0.25]}


def test_rows_decode_to_the_structs() -> None:
    """Constants, columns and defaults, each in its field; defaults are left out of the JSON."""
    rows = list(WireRows(Verdict).make(2, constant=CONSTANT, columns={**COLUMNS, "reasons": [(), ("why",)]}))
    assert [decode(Verdict, msgspec.json.encode(row)) for row in rows] == [
        Verdict(event_id="a", time=1, uncertainty=0.5, **CONSTANT),
        Verdict(event_id="b", time=2, uncertainty=0.25, reasons=("why",), **CONSTANT),
    ]
    assert b"reasons" not in msgspec.json.encode(rows[0])


def test_a_missing_field_is_named() -> None:
    """A field without a default needs a constant or a column."""
    with pytest.raises(KeyError, match="Label has no default for 'event_id'"):
        WireRows(Label).make(1, constant={"model": "m"}, columns={})


def test_a_column_of_another_length_is_named() -> None:
    """Nothing is cut off in silence, and no row is made."""
    with pytest.raises(ValueError, match="2 values of 'event_id' for 3 rows of Verdict"):
        WireRows(Verdict).make(3, constant=CONSTANT, columns=COLUMNS)
