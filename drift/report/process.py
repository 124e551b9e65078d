"""The process that makes Evidently reports; the only file that names evidently.

Reads requests from standard input and writes results to standard output. It ends as soon as its input does, so it never
outlives its parent, and usage statistics are switched off before evidently is imported: it opens no connection.
"""

from __future__ import annotations

import html
import os
import queue
import sys
import threading
import warnings
from typing import Any

import msgspec

from drift.report.pipe import READY, ReportResult, read_message, write_message
from drift.report.reporter import NO_STATISTICS
from drift.report.request import ReportRequest, Row, as_text, unshown

__all__ = ["render", "report_worker_main"]

NICENESS = 10
REASON_CHARS_MAX = 500
REQUEST_BYTES_MAX = 100_000_000

BANNER = '<div style="font: 14px sans-serif; margin: 1em 2em"><p>{}</p></div>'


def report_worker_main() -> None:
    """Import evidently, say so, then answer requests until standard input ends."""
    os.environ.update(NO_STATISTICS)
    os.nice(NICENESS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not land between answers
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read_requests() -> None:
        while (message := read_message(sys.stdin.buffer, REQUEST_BYTES_MAX)) is not None:
            inbox.put(message)
        os._exit(0)  # the parent is gone: stop in the middle of whatever is going on

    threading.Thread(target=read_requests, daemon=True).start()
    warnings.simplefilter("ignore")
    _escape_data()
    render(_TRIAL)
    write_message(answers, msgspec.msgpack.encode(ReportResult(report_id=READY)))
    decoder = msgspec.msgpack.Decoder(ReportRequest)
    while True:
        write_message(answers, msgspec.msgpack.encode(render(decoder.decode(inbox.get()))))


_TRIAL_ROWS: list[Row] = [{"confidence": 0.5 + number / 100} for number in range(30)]
_TRIAL = ReportRequest(
    report_id=READY,
    reference=_TRIAL_ROWS,
    current=_TRIAL_ROWS,
    numeric=["confidence"],
    categorical=[],
    numeric_test="wasserstein",
    categorical_test="jensenshannon",
)


def render(request: ReportRequest) -> ReportResult:
    """The report of all columns that evidently can show, and why others are missing. Never raises.

    Where a column that looks harmless makes evidently fail, each is tried alone, and those that fail are left out.
    """
    shown, changed = as_text(request)
    notes = [*request.notes, *changed]
    try:
        return _report(shown, notes)
    except Exception as error:  # noqa: BLE001 any failure is the answer to the request; the process goes on
        reasons = _faulty(shown)
        if len(reasons) in (0, len(shown.numeric) + len(shown.categorical)):
            return ReportResult(report_id=request.report_id, error=_reason(error))
    notes += [unshown(column, reason) for column, reason in reasons.items()]
    rest = msgspec.structs.replace(
        shown,
        numeric=[column for column in shown.numeric if column not in reasons],
        categorical=[column for column in shown.categorical if column not in reasons],
    )
    try:
        return _report(rest, notes)
    except Exception as error:  # noqa: BLE001 as above
        return ReportResult(report_id=request.report_id, error=_reason(error), left_out=tuple(notes))


def _faulty(request: ReportRequest) -> dict[str, str]:
    """The columns that fail on their own, and why."""
    reasons = {}
    for column in (*request.numeric, *request.categorical):
        alone = msgspec.structs.replace(
            request,
            numeric=[column] if column in request.numeric else [],
            categorical=[column] if column in request.categorical else [],
        )
        try:
            _snapshot(alone)
        except Exception as error:  # noqa: BLE001 as above
            reasons[column] = _reason(error)
    return reasons


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:REASON_CHARS_MAX]


def _report(request: ReportRequest, notes: list[str]) -> ReportResult:
    snapshot = _snapshot(request)
    page = snapshot.get_html_str(as_iframe=False)
    if notes:
        banner = BANNER.format("<br>".join(html.escape(note) for note in notes))
        page = page.replace("<body>", f"<body>{banner}", 1)
    return ReportResult(report_id=request.report_id, json=snapshot.json(), html=page, left_out=tuple(notes))


def _snapshot(request: ReportRequest) -> Any:
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    columns = [*request.numeric, *request.categorical]
    if not columns or not request.reference or not request.current:
        raise ValueError("nothing to compare: no column has values on both sides")
    definition = DataDefinition(numerical_columns=request.numeric, categorical_columns=request.categorical)

    def dataset(rows: list[Row]) -> Any:
        frame = pd.DataFrame(rows, columns=columns)
        for column in request.numeric:
            frame[column] = pd.to_numeric(frame[column])
        return Dataset.from_pandas(frame, data_definition=definition)

    preset = DataDriftPreset(columns=columns, num_method=request.numeric_test, cat_method=request.categorical_test)
    return Report([preset]).run(dataset(request.current), dataset(request.reference))


def _escape_data() -> None:
    """Keep texts of the data from ending the script that evidently puts them into, or beginning a comment there.

    In JSON ``<``, ``>`` and the two separators stand only inside strings, where ``\\u003c`` means the same.
    """
    from evidently.legacy.utils import dashboard

    encoder: Any = dashboard.NumpyEncoder

    class ScriptSafeEncoder(encoder):  # type: ignore[misc]  # evidently's classes have no types here
        def encode(self, o: Any) -> str:
            text: str = super().encode(o)
            for character in "<>\u2028\u2029":
                text = text.replace(character, f"\\u{ord(character):04x}")
            return text

    dashboard.NumpyEncoder = ScriptSafeEncoder


if __name__ == "__main__":
    report_worker_main()
