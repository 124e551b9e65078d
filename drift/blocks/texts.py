"""Texts of a batch as codes: where few differ, each is looked up once, and counting them is arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from drift.blocks.tallies import Coded
from schemas.texts.labels import composed

__all__ = ["CODES_MAX", "TextColumn", "Texts"]

CODES_MAX = 64
"""Texts of a column that differ, at most, for it to be coded: beyond, a run holds few of the same."""

Texts = Sequence[str | None]


class TextColumn(NamedTuple):
    """n texts, None where one is missing or a number; ``chars_max`` is the length of the longest.

    ``coded`` is None where more than CODES_MAX differ.
    """

    texts: Texts
    coded: Coded | None
    chars_max: int

    @classmethod
    def of(cls, texts: Texts) -> TextColumn:
        """The column of these texts, each ``composed``: a category does not change where its bytes alone do."""
        known = _Codes()
        try:
            codes = bytes(map(known.__getitem__, texts))
        except _TooManyError:
            if not all(map(str.isascii, filter(None, texts))):
                texts = [text and composed(text) for text in texts]
            return cls(texts, None, max(map(len, filter(None, texts)), default=0))
        if any(text and composed(text) != text for text in known):
            return cls.of([text and composed(text) for text in texts])
        return cls(texts, Coded(tuple(known), codes), max(map(len, filter(None, known)), default=0))

    def cut(self, chars_max: int) -> TextColumn:
        """The column with each text at most ``chars_max`` long; the same object where none is longer."""
        if self.chars_max <= chars_max:
            return self
        return TextColumn.of([None if text is None else text[:chars_max] for text in self.texts])


class _TooManyError(Exception):
    """More than CODES_MAX texts differ."""


class _Codes(dict[str | None, int]):
    """Codes in the order in which texts are first asked for."""

    def __missing__(self, text: str | None) -> int:
        code = len(self)
        if code == CODES_MAX:
            raise _TooManyError
        self[text] = code
        return code
