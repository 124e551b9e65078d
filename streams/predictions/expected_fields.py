"""What each field of a prediction or label must be, in the words that every reason uses."""

from __future__ import annotations

from typing import Any, Final

from schemas.probability import ABOVE_TAKEN, BELOW_TAKEN
from schemas.wire.base import NAME_CHARS_MAX
from schemas.wire.prediction import CONTENT_CHARS_MAX, FEATURES_MAX, LABELS_MAX, SLICES_MAX

__all__ = ["expected_at", "hint_of"]

TIME: Final = "RFC 3339 with an offset, such as 2026-10-01T08:00:00Z, or whole epoch milliseconds"
_ID: Final = f"a text of 1 to {NAME_CHARS_MAX} characters"
_NAME: Final = f"a text of at most {NAME_CHARS_MAX} characters, or null"
_LABEL: Final = f"a label: a text of 1 to {NAME_CHARS_MAX} characters, an integer, true or false"
_RATIO: Final = f"a number from 0 to 1 ({ABOVE_TAKEN}, {BELOW_TAKEN}), or null"

EXPECTED: Final = {
    "event_id": _ID,
    "model": _ID,
    "time": TIME,
    "features": f"an object of at most {FEATURES_MAX} names, of 1 to {NAME_CHARS_MAX} characters, and their values",
    "features.*": "a number, text, true, false or null",
    "prediction": _LABEL,
    "label": _LABEL,
    "model_version": _NAME,
    "confidence": _RATIO,
    "probabilities": f"an object of 1 to {LABELS_MAX} labels and their probabilities, or null",
    "probabilities.*": _RATIO,
    "slices": f"an object of at most {SLICES_MAX} names, of 1 to {NAME_CHARS_MAX} characters, and texts, or null",
    "slices.*": _NAME,
    "risk": _RATIO,
    "subject": _NAME,
    "consent": 'an object such as {"review": true, "learn": false}, or null',
    "consent.*": "true, false or null",
    "content": f"a text of at most {CONTENT_CHARS_MAX:,} characters, or null",
    "producer": _NAME,
    "purpose": '"learn", "score" or null',
    "source": _NAME,
}
"""What is expected, by the path of the field; a star stands for any name within it."""

SHARE_HINT: Final = "a percentage is written as a share, 62 % as 0.62"
UNQUOTED_HINT: Final = "a number without quotes"
QUOTED_HINT: Final = "a text stands in quotes"
RATIOS: Final = ("confidence", "risk", "probabilities.*")
TEXTS: Final = ("event_id", "model", "model_version", "slices.*", "subject", "producer", "source", "content")


def expected_at(path: str) -> str | None:
    """What is expected at a path such as ``features.age``; None for any other path.

    >>> expected_at("features.age"), expected_at("colour")
    ('a number, text, true, false or null', None)
    """
    return EXPECTED.get(path) or EXPECTED.get(_starred(path))


def hint_of(path: str, value: Any) -> str:
    """How a wrong value was probably meant, or what to write instead; empty if that cannot be guessed.

    >>> hint_of("confidence", 62), hint_of("slices.region", 3), hint_of("event_id", None)
    ('a percentage is written as a share, 62 % as 0.62', 'a text stands in quotes', '')
    """
    field = path if path in EXPECTED else _starred(path)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if field in RATIOS:
        return SHARE_HINT if is_number and 2.0 <= value <= 100.0 else UNQUOTED_HINT if isinstance(value, str) else ""
    if field in TEXTS and is_number:
        return QUOTED_HINT
    if field in ("prediction", "label") and isinstance(value, float):
        return "a label with decimals is written as a text"
    if field in ("prediction", "label") and isinstance(value, dict):
        return "the label alone, the other fields beside it"
    if field == "features.*" and isinstance(value, dict | list):
        return "each number or text within has a name of its own"
    if field in ("features", "probabilities", "slices", "consent") and isinstance(value, str):
        return "the object itself, not its JSON as a text"
    if field == "time" and isinstance(value, str) and value.strip().isdigit():
        return UNQUOTED_HINT
    return ""


def _starred(path: str) -> str:
    return f"{path.partition('.')[0]}.*"
