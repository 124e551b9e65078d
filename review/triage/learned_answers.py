"""What learned models answer about the events of a batch."""

from __future__ import annotations

from typing import NamedTuple

from schemas.columns.texts import Texts

__all__ = ["LearnedAnswers"]


class LearnedAnswers(NamedTuple):
    """What learned models answered about n events; every text is empty where there is none.

    ``versions`` and ``answers`` are of the learned model in charge. ``challenger_versions`` and ``challenger_answers``
    are of the candidate that challenges production while no learned model is in charge.
    """

    versions: Texts
    answers: Texts
    challenger_versions: Texts
    challenger_answers: Texts

    @classmethod
    def none(cls, size: int) -> LearnedAnswers:
        """The answers about ``size`` events of which no learned model was asked."""
        nothing = Texts.constant("", size)
        return cls(nothing, nothing, nothing, nothing)

    @classmethod
    def in_charge(cls, version: str, answers: Texts) -> LearnedAnswers:
        """The answers of the learned model in charge."""
        nothing = Texts.constant("", len(answers))
        return cls(Texts.constant(version, len(answers)), answers, nothing, nothing)

    @classmethod
    def challenging(cls, version: str, answers: Texts) -> LearnedAnswers:
        """The answers of the candidate that challenges production."""
        nothing = Texts.constant("", len(answers))
        return cls(nothing, nothing, Texts.constant(version, len(answers)), answers)

    @classmethod
    def joined(cls, pieces: list[LearnedAnswers]) -> LearnedAnswers:
        """The answers of all pieces, piece after piece."""
        return cls(*map(Texts.joined, zip(*pieces, strict=True)))

    @property
    def is_none(self) -> bool:
        """Whether no learned model was asked about any event."""
        return self.answers.names == self.challenger_answers.names == ("",)
