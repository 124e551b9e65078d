"""Messages of verdicts as Structs, in either encoding; pyarrow is imported when the first Arrow message comes."""

from __future__ import annotations

from schemas.codec import Readable, decode_readable
from schemas.wire.verdict import Verdict
from streams.arrow.mark import is_stream
from streams.errors import PackageMissing

__all__ = ["read_verdicts"]


def read_verdicts(data: bytes, elements_max: int) -> Readable[Verdict]:
    """The verdicts of a message: a JSON object, an array, or an Arrow IPC stream. Wrong elements and rows are left out.

    Raises MalformedError if it is none of these, or an array with a wrong element has more than ``elements_max``;
    PackageMissing for an Arrow stream where pyarrow or NumPy is not installed. ``items`` is empty for a stream.
    """
    if not is_stream(data):
        return decode_readable(Verdict, data, elements_max)
    try:
        from schemas.columns.read_verdicts import structs_of
        from streams.verdicts.arrow_messages import verdict_rows
    except ImportError as error:
        raise PackageMissing(f"verdicts came as Arrow: pip install pyarrow numpy ({error})") from None
    rows = verdict_rows(data)
    return Readable(structs_of(rows.batch), rows.indexes.tolist(), rows.wrong, ())
