"""Different spellings of one label: the rules, and which label of a model a spelling means."""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable, Iterable
from typing import Final

__all__ = ["RULES", "KnownLabels", "cased", "truth", "valued"]

NUMBER_CHARS_MAX: Final = 40
EVERY_DIGIT: Final = decimal.Context(prec=NUMBER_CHARS_MAX)
TRUTHS: Final = (("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"), ("1", "0"), ("1.0", "0.0"))
"""The ways in which the two truth values are written."""
TRUE_WORDS: Final = frozenset(true for true, _ in TRUTHS)
FALSE_WORDS: Final = frozenset(false for _, false in TRUTHS)
CASES: Final[tuple[Callable[[str], str], ...]] = (str.lower, str.upper, str.title)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.([0-9]+))?")

Rule = Callable[[str], str]


def trimmed(text: str) -> str:
    """The text without blanks around it: the first of ``RULES``, which makes the fewest texts the same."""
    return text.strip()


def valued(text: str) -> str:
    """Numbers by their value; a text that is not written as a number, such as 007, stays as it is.

    >>> [valued(text) for text in ("1.0", "+1", "1e3", "007")]
    ['1', '1', '1000', '007']
    """
    short = text.strip()
    digits = short[short[:1] in ("+", "-") :].lower()
    plain = len(short) <= NUMBER_CHARS_MAX and digits.replace(".", "", 1).replace("e", "", 1).isalnum()
    if not plain or (digits[:1] == "0" and digits[1:2].isdigit()) or not digits[:1].isdigit():
        return short
    try:
        value = decimal.Decimal(short)
    except decimal.InvalidOperation:
        return short
    # Looked at first: an exponent beyond that of the context (1e9999999) cannot be normalized.
    return format(value.normalize(EVERY_DIGIT), "f") if abs(value.adjusted()) <= NUMBER_CHARS_MAX else short


def cased(text: str) -> str:
    """The text by the value of numbers, and without regard to case."""
    return valued(text).casefold()


def truth(text: str) -> str:
    """Truth values as ``true`` and ``false``, other texts as ``cased``.

    >>> truth("YES"), truth("0.0"), truth("Maybe")
    ('true', 'false', 'maybe')
    """
    word = cased(text)
    return "true" if word in TRUE_WORDS else "false" if word in FALSE_WORDS else word


RULES: Final[tuple[tuple[Rule, str], ...]] = (
    (trimmed, "without the blanks around them"),
    (valued, "by the value of numbers"),
    (cased, "without regard to upper and lower case"),
    (truth, "as truth values (true, t, yes, y, 1; false, f, no, n, 0)"),
)
"""Rules and what each ignores, in words; each makes more texts equal than the one before."""


class KnownLabels:
    """The known labels of a model, and which of them another spelling means.

    A rule of ``RULES`` applies if it keeps all labels of the model distinct, the rule of truth values only if all of
    them are truth values. If the model has given one truth value alone, the other is inferred from its spelling. If all
    its labels are numbers with equally many decimals, every other number is expected to be written so as well.

    >>> numbers, truths = KnownLabels({"1", "2"}), KnownLabels({"false"})
    >>> truths.meant_by("FALSE"), truths.meant_by("Yes"), numbers.meant_by("2.0"), numbers.meant_by("3.0")
    ('false', 'true', '2', '3')
    >>> truths.meant_by("true"), numbers.meant_by("3"), KnownLabels({"007"}).meant_by("7")
    (None, None, None)
    """

    def __init__(self, labels: Iterable[str]) -> None:
        said = frozenset(labels)
        are_truths = all(truth(label) in ("true", "false") for label in said)
        self._labels = said | {opposite(label) for label in said} if are_truths else said
        rules = [rule for rule, _ in RULES if rule is not truth or are_truths]
        self._by_rule = [(rule, {rule(label): label for label in self._labels}) for rule in rules]
        decimals = {decimals_of(label) for label in said}
        self._decimals = decimals.pop() if len(decimals) == 1 else None

    def meant_by(self, label: str) -> str | None:
        """The model's label that this spelling means; None if it is a label of the model itself, or means none."""
        if label in self._labels:
            return None
        for rule, labels in self._by_rule:
            if len(labels) == len(self._labels) and rule(label) in labels:
                return labels[rule(label)]
        if self._decimals is None or decimals_of(valued(label)) is None:
            return None
        written = format(decimal.Decimal(label), f".{self._decimals}f")
        return written if written != label and valued(written) == valued(label) else None


def opposite(label: str) -> str:
    """The other truth value in the same spelling; the label itself if its spelling is not in ``TRUTHS``.

    >>> [opposite(label) for label in ("True", "NO", "0.0", "yEs")]
    ['False', 'YES', '1.0', 'yEs']
    """
    for case in CASES:
        for true, false in TRUTHS:
            if label in (case(true), case(false)):
                return case(false) if label == case(true) else case(true)
    return label


def decimals_of(label: str) -> int | None:
    """Digits after the decimal point of a number; None if the text is not plainly a number.

    >>> [decimals_of(label) for label in ("12", "-0.50", "007", "1e3")]
    [0, 2, None, None]
    """
    number = _NUMBER.fullmatch(label)
    return None if number is None else len(number.group(1) or "")
