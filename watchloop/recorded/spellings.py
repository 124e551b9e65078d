"""True labels and predictions that mean the same and are written otherwise: matched by rule, and told; or refused."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from watchloop.errors import WrongTable
from watchloop.recorded.words import listed, quoted

__all__ = ["Match", "matched"]

SHOWN_MAX: Final = 6
NUMBER_CHARS_MAX: Final = 40
TRUE_WORDS: Final = frozenset({"true", "t", "yes", "y", "1"})
FALSE_WORDS: Final = frozenset({"false", "f", "no", "n", "0"})


class Match(NamedTuple):
    """How true labels are written as the predictions are, and a line that tells of it; nothing where they agree."""

    rewritten: dict[str, str]
    note: str


def _trimmed(text: str) -> str:
    return text.strip()


def _valued(text: str) -> str:
    """Numbers by their value: 1.0 is 1; a number that is not written as one (007) stays a text."""
    short = text.strip()
    digits = short.removeprefix("-").lower()
    plain = len(short) <= NUMBER_CHARS_MAX and digits.replace(".", "", 1).replace("e", "", 1).isalnum()
    if not plain or (digits[:1] == "0" and digits[1:2].isdigit()) or not digits[:1].isdigit():
        return short
    try:
        value = decimal.Decimal(short).normalize()
    except decimal.InvalidOperation:
        return short
    return format(value, "f") if abs(value.adjusted()) <= NUMBER_CHARS_MAX else short


def _cased(text: str) -> str:
    return _valued(text).casefold()


def _truth(text: str) -> str:
    word = _cased(text)
    return "true" if word in TRUE_WORDS else "false" if word in FALSE_WORDS else word


RULES: Final[tuple[tuple[Callable[[str], str], str], ...]] = (
    (_trimmed, "without the blanks around them"),
    (_valued, "by the value of numbers"),
    (_cased, "without regard to upper and lower case"),
    (_truth, "as truth values (true, t, yes, y, 1; false, f, no, n, 0)"),
)


def matched(truths: Collection[str], answers: Collection[str]) -> Match:
    """Match the true labels with what the model may say. Raises WrongTable where they have nothing in common.

    One label on each side may be a model that is always wrong, which is told.

    The first of these rules counts by which every text of one side is one of the other, and no two texts of one side
    become the same: without blanks around; by the value of numbers; whatever the case; as truth values.

    >>> matched({"true", "false"}, {"1", "0"}).rewritten == {"true": "1", "false": "0"}
    True
    >>> matched({"007", "07"}, {"007"})
    Match(rewritten={}, note='')
    """
    only_truths, only_answers = set(truths) - set(answers), set(answers) - set(truths)
    if not only_truths or not only_answers:
        return Match({}, "")
    for rule, words in RULES:
        rewritten = _by(rule, truths, answers)
        if rewritten:
            shown = listed((f"{quoted(a)} as {quoted(b)}" for a, b in sorted(rewritten.items())), most=SHOWN_MAX)
            return Match(rewritten, f"true labels are matched with predictions {words}: {shown}")
    said, true = _shown(only_answers), _shown(only_truths)
    if len(only_answers) == len(set(answers)) and not len(only_truths) == len(only_answers) == 1:
        raise WrongTable(
            f"labels and predictions have nothing in common: --label has {true}, the predictions are {said};"
            " write both in the same way"
        )
    return Match({}, f"predictions that are no true label: {said}; true labels that were never predicted: {true}")


def _by(rule: Callable[[str], str], truths: Collection[str], answers: Collection[str]) -> dict[str, str]:
    """True labels to their spelling among the answers; nothing where the rule does not match all of one side."""
    by_truth, by_answer = {rule(text): text for text in truths}, {rule(text): text for text in answers}
    if len(by_truth) < len(set(truths)) or len(by_answer) < len(set(answers)):
        return {}
    if not (by_truth.keys() <= by_answer.keys() or by_answer.keys() <= by_truth.keys()):
        return {}
    common = by_truth.keys() & by_answer.keys()
    return {by_truth[key]: by_answer[key] for key in common if by_truth[key] != by_answer[key]}


def _shown(texts: Collection[str]) -> str:
    return "{" + listed(map(quoted, sorted(texts)), most=SHOWN_MAX) + "}"
