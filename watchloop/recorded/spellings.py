"""True labels and predictions that mean the same and are written otherwise: matched by rule, and told; or refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, NamedTuple

from schemas.look_alikes import shape_of, told_apart
from schemas.spellings import RULES, cased, valued
from watchloop.errors import WrongTable
from watchloop.recorded.words import listed, quoted

__all__ = ["Match", "matched"]

SHOWN_MAX: Final = 6


class Match(NamedTuple):
    """How true labels are written as the predictions are, and a line that tells of it; nothing where they agree."""

    rewritten: dict[str, str]
    note: str


def matched(truths: Collection[str], answers: Collection[str]) -> Match:
    """Match the true labels with what the model may say. Raises WrongTable where they have nothing in common.

    One label on each side may be a model that is always wrong, which is told.

    The first of these rules counts by which every text of one side is one of the other, and no two texts of one side
    become the same: without blanks around; by the value of numbers; whatever the case; as truth values. Where no rule
    does that and some labels are common, a label and a prediction that are left over are matched by the first three
    rules if nothing else on either side means the same; where something does, or only leading zeros differ, or letters
    that look the same, a warning names both.

    >>> matched({"true", "false"}, {"1", "0"}).rewritten == {"true": "1", "false": "0"}
    True
    >>> matched({"007", "07"}, {"007"})
    Match(rewritten={}, note='')
    >>> matched({"Yes", "no", "maybe"}, {"yes", "no", "never"}).rewritten
    {'Yes': 'yes'}
    """
    only_truths, only_answers = set(truths) - set(answers), set(answers) - set(truths)
    if not only_truths or not only_answers:
        return Match({}, "")
    for rule, words in RULES:
        rewritten = _by(rule, truths, answers)
        if rewritten:
            return Match(rewritten, _told(rewritten, words))
    names = told_apart({*only_answers, *only_truths})
    said, true = _shown(only_answers, names), _shown(only_truths, names)
    if len(only_answers) == len(set(answers)):
        if len(only_truths) == len(only_answers) == 1:
            return Match({}, _left_over(said, true))
        raise WrongTable(
            f"labels and predictions have nothing in common: --label has {true}, the predictions are {said};"
            " write both in the same way"
        )
    return _match_of_rest(truths, answers)


def _match_of_rest(truths: Collection[str], answers: Collection[str]) -> Match:
    """Match what is left over where some labels are common; what nothing decides is told as a warning."""
    notes: list[str] = []
    rewritten: dict[str, str] = {}
    for rule, words in RULES[:-1]:
        pairs = {
            truth: answer
            for truth, answer in _pairs(rule, truths, answers)
            if truth not in rewritten and answer not in rewritten.values()
        }
        if pairs:
            notes.append(_told(pairs, words))
            rewritten |= pairs
    only_truths = set(truths) - set(answers) - rewritten.keys()
    only_answers = set(answers) - set(truths) - set(rewritten.values())
    if only_truths and only_answers:
        names = told_apart({*only_answers, *only_truths})
        notes.append(_left_over(_shown(only_answers, names), _shown(only_truths, names)))
        alike = {_unpadded(text) for text in only_truths} & {_unpadded(text) for text in only_answers}
        if alike:
            true = _shown([text for text in only_truths if _unpadded(text) in alike], names)
            said = _shown([text for text in only_answers if _unpadded(text) in alike], names)
            notes.append(
                f"warning: --label has {true} where the predictions have {said}: they are counted as different, so the"
                " accuracy is too low if they mean the same; write both in the same way"
            )
    return Match(rewritten, "; ".join(notes))


def _pairs(rule: Callable[[str], str], truths: Collection[str], answers: Collection[str]) -> Iterator[tuple[str, str]]:
    """Labels and predictions that are left over and mean the same, where nothing else on either side does."""
    by_truth, by_answer = _grouped(rule, truths), _grouped(rule, answers)
    for key in sorted(by_truth.keys() & by_answer.keys()):
        truth, answer = by_truth[key], by_answer[key]
        if len(truth) == len(answer) == 1 and truth != answer and truth[0] not in answers and answer[0] not in truths:
            yield truth[0], answer[0]


def _grouped(rule: Callable[[str], str], texts: Collection[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for text in set(texts):
        groups.setdefault(rule(text), []).append(text)
    return groups


def _unpadded(text: str) -> str:
    """What a text may mean at most: as ``cased``, as it looks, and without leading zeros."""
    short = shape_of(cased(text))
    return valued(short.lstrip("0") or "0") if short.isdigit() else short


def _told(rewritten: dict[str, str], words: str) -> str:
    shown = listed((f"{quoted(a)} as {quoted(b)}" for a, b in sorted(rewritten.items())), most=SHOWN_MAX)
    return f"true labels are matched with predictions {words}: {shown}"


def _left_over(said: str, true: str) -> str:
    return f"warning: predictions that are no true label: {said}; true labels that were never predicted: {true}"


def _by(rule: Callable[[str], str], truths: Collection[str], answers: Collection[str]) -> dict[str, str]:
    """True labels to their spelling among the answers; nothing where the rule does not match all of one side."""
    by_truth, by_answer = {rule(text): text for text in truths}, {rule(text): text for text in answers}
    if len(by_truth) < len(set(truths)) or len(by_answer) < len(set(answers)):
        return {}
    if not (by_truth.keys() <= by_answer.keys() or by_answer.keys() <= by_truth.keys()):
        return {}
    common = by_truth.keys() & by_answer.keys()
    return {by_truth[key]: by_answer[key] for key in common if by_truth[key] != by_answer[key]}


def _shown(texts: Collection[str], names: Mapping[str, str]) -> str:
    """Some texts by their names, which tell apart those that look the same."""
    return "{" + listed((quoted(names[text]) for text in sorted(texts)), most=SHOWN_MAX) + "}"
