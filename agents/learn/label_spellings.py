"""Labels that mean what the model calls otherwise: ``True`` for ``true``. They are refused, never rewritten."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from schemas.texts.spellings import KnownLabels
from schemas.wire.label import Label
from schemas.wire.prediction import label_text
from warehouse.query.lookups import labels_said

__all__ = ["LabelSpellings"]

Ask = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]


class LabelSpellings:
    """What is wrong with how labels are written, by what their models have said.

    A model's labels are those that its settings name (``declared``), and those of its newest stored predictions, which
    ``ask`` finds in ClickHouse: nothing is kept, so that a restart changes nothing. It is asked of a model once for
    some labels, and not at all where each is declared or what its own prediction said or gave a probability.
    """

    def __init__(self, ask: Ask, declared: Callable[[str], Collection[str]]) -> None:
        self._ask = ask
        self._declared = declared

    def problems_of(
        self, labels: Sequence[Label], predictions: Mapping[tuple[str, str], Mapping[str, Any]]
    ) -> list[str | None]:
        """What is wrong with each label, None where nothing is.

        ``predictions`` are those that are stored, by model and event id. Raises WarehouseError.
        """
        known: dict[str, KnownLabels] = {}
        problems: list[str | None] = []
        for label in labels:
            text, row = label_text(label.label), predictions.get((label.model, label.event_id))
            declared = self._declared(label.model)
            if text in declared or (row is not None and text in (row["prediction"], *row["probabilities"])):
                problems.append(None)
                continue
            # The declared ones first: what a model said once in another spelling must not make two labels of one.
            meant = KnownLabels(declared).meant_by(text) if declared else None
            if meant is None:
                if label.model not in known:
                    known[label.model] = KnownLabels({*declared, *labels_said(self._ask, label.model)})
                meant = known[label.model].meant_by(text)
            problems.append(None if meant is None else _problem(label.model, text, meant))
        return problems


def _problem(model: str, text: str, meant: str) -> str:
    return (
        f"got {text!r}; expected {meant!r}, as model {model!r} writes it, or, where these are two labels, both of them"
        " among the `labels` of [models.NAME] - at `$.label`"
    )
