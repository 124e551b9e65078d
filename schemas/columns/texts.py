"""Texts: a column of n texts of which few differ, each stored once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Codes", "Texts"]

Codes = npt.NDArray[np.int32]
Indexes = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True)
class Texts:
    """n texts, None where one is missing: each is a code, the index of its text in ``names``.

    No two names are equal; a name need not occur. ``codes`` has shape (n,).

    >>> texts = Texts.of(["stay", "go", None, "stay"])
    >>> texts.names, texts.codes.tolist(), texts.tolist()
    (('stay', 'go', None), [0, 1, 2, 0], ['stay', 'go', None, 'stay'])
    """

    codes: Codes
    names: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> Texts:
        """The column of these texts, with names in order of first occurrence."""
        known = _Numbered()
        codes = np.fromiter(map(known.__getitem__, texts), np.int32, len(texts))
        return cls(codes, tuple(known))

    @classmethod
    def constant(cls, text: str | None, size: int) -> Texts:
        """The same text ``size`` times."""
        return cls(np.zeros(size, np.int32), (text,))

    @classmethod
    def joined(cls, pieces: Sequence[Texts]) -> Texts:
        """The texts of all pieces, piece after piece.

        >>> Texts.joined([Texts.of(["a"]), Texts.of(["b", "a"])]).codes.tolist()
        [0, 1, 0]
        """
        if len(pieces) == 1:
            return pieces[0]
        known = _Numbered()
        codes = [np.array([known[name] for name in piece.names] or [0], np.int32)[piece.codes] for piece in pieces]
        return cls(np.concatenate(codes), tuple(known))

    def take(self, indexes: Indexes | slice) -> Texts:
        """The texts at these indexes, in this order."""
        return Texts(self.codes[indexes], self.names)

    def tolist(self) -> list[str | None]:
        """The texts themselves."""
        return list(map(self.names.__getitem__, self.codes.tolist()))

    def at(self, indexes: Indexes) -> list[str | None]:
        """The texts at these indexes."""
        return list(map(self.names.__getitem__, self.codes[indexes].tolist()))

    @property
    def used(self) -> list[str | None]:
        """The names that occur, in their order."""
        counts = np.bincount(self.codes, minlength=len(self.names))
        return [self.names[code] for code in counts.nonzero()[0].tolist()]

    def renamed(self, names: Iterable[str | None]) -> Texts:
        """The column with another name for each name; names that are equal become one.

        >>> Texts.of(["A", "a"]).renamed(["a", "a"]).codes.tolist()
        [0, 0]
        """
        known = _Numbered()
        code_of = np.array([known[name] for name in names], np.int32)
        if len(known) == len(code_of):
            return Texts(self.codes, tuple(known))
        return Texts(code_of[self.codes], tuple(known))


class _Numbered(dict[str | None, int]):
    """Text to number; a text that is not known gets the next number."""

    def __missing__(self, text: str | None) -> int:
        number = self[text] = len(self)
        return number
