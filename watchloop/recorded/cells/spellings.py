"""True labels and predictions that mean the same and are written otherwise: matched by rule, and told; or refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, NamedTuple

from schemas.texts.look_alikes import shape_of, told_apart
from schemas.texts.spellings import RULES, KnownLabels, cased, truth, valued
from watchloop.errors import WrongTable
from watchloop.recorded.words import listed, quoted

__all__ = ["Match", "matched", "warning_of_twins"]

SHOWN_MAX: Final = 6
TRUTHS_AS: Final = "true labels are matched with predictions"
ANSWERS_AS: Final = "predictions are matched with true labels"
TRUTH_LETTERS: Final = ("t", "f", "y", "n")


class Match(NamedTuple):
    """How labels are written that the other side writes otherwise, and a line that tells of it.

    ``rewritten`` are true labels by their new spelling, ``answers`` predictions; both are empty where all agree.
    """

    rewritten: dict[str, str]
    answers: dict[str, str]
    note: str


def matched(truths: Collection[str], answers: Collection[str], *, classes: Collection[str] = ()) -> Match:
    """Match the true labels with what the model may say. Raises WrongTable where they have nothing in common.

    One label on each side may be a model that is always wrong, which is told.

    The first of these rules counts by which every text of one side is one of the other, and no two texts of one side
    become the same: without blanks around; by the value of numbers; whatever the case; as truth values. Where no rule
    does that and some labels are common, a label and a prediction that are left over are matched by the first three
    rules if nothing else on either side means the same. What is then left over on one side and means, as
    ``KnownLabels`` has it, a label that both sides have is a second spelling of that one, and takes the first; but not
    where both sides write that one twice. WrongTable is raised where it may mean two of them. Where only leading zeros
    differ, or letters that look the same, or where nothing decides, a warning names both sides.

    ``classes`` are spellings that the model tells apart for sure: none of them is made another.

    >>> matched({"true", "false"}, {"1", "0"}).rewritten == {"true": "1", "false": "0"}
    True
    >>> matched({"Yes", "no", "maybe"}, {"yes", "no", "never"}).rewritten
    {'Yes': 'yes'}
    >>> matched({"yes", "no", "Yes"}, {"yes", "no", "NO"})[:2]
    ({'Yes': 'yes'}, {'NO': 'no'})
    """
    rewritten, notes = _of_sides(truths, answers)
    true = {rewritten.get(text, text) for text in truths}
    seconds = _second_spellings(true, set(answers), frozenset(classes))
    notes += [*_told_seconds(seconds.truths, TRUTHS_AS), *_told_seconds(seconds.answers, ANSWERS_AS)]
    rewritten |= {text: seconds.truths[new] for text in truths if (new := rewritten.get(text, text)) in seconds.truths}
    notes += _warnings({seconds.truths.get(text, text) for text in true}, set(answers) - seconds.answers.keys())
    return Match(rewritten, seconds.answers, "; ".join(notes))


def _of_sides(truths: Collection[str], answers: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """True labels that are left over by a prediction that is, and what tells of it."""
    only_truths, only_answers = set(truths) - set(answers), set(answers) - set(truths)
    if not only_truths or not only_answers:
        return {}, []
    for rule, words in RULES:
        rewritten = _by(rule, truths, answers)
        if rewritten:
            return rewritten, [_told(rewritten, words, TRUTHS_AS)]
    if len(only_answers) == len(set(answers)) and (len(only_truths) > 1 or len(only_answers) > 1):
        names = told_apart({*only_answers, *only_truths})
        raise WrongTable(
            f"labels and predictions have nothing in common: --label has {_shown(only_truths, names)}, the predictions"
            f" are {_shown(only_answers, names)}; write both in the same way"
        )
    return _of_rest(truths, answers)


def _of_rest(truths: Collection[str], answers: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Pairs of what is left over where some labels are common."""
    notes: list[str] = []
    rewritten: dict[str, str] = {}
    for rule, words in RULES[:-1]:
        pairs = {
            truth: answer
            for truth, answer in _pairs(rule, truths, answers)
            if truth not in rewritten and answer not in rewritten.values()
        }
        if pairs:
            notes.append(_told(pairs, words, TRUTHS_AS))
            rewritten |= pairs
    return rewritten, notes


class _Seconds(NamedTuple):
    """Second spellings of labels that both sides have, to the first ones."""

    truths: dict[str, str]
    answers: dict[str, str]


def _second_spellings(truths: set[str], answers: set[str], classes: frozenset[str]) -> _Seconds:
    common = truths & answers
    known = KnownLabels(common)
    found = [
        {text: meant for text in only if (meant := known.meant_by(text)) in common}
        for only in (
            truths - common,
            answers - common - classes,
        )
    ]
    for text in sorted((truths | answers) - common - classes - found[0].keys() - found[1].keys()):
        _check_single_meaning(text, common)
    said = KnownLabels(answers - found[1].keys())  # the live rules ask what the model says
    twice = set(found[0].values()) & set(found[1].values())
    return _Seconds(
        *(
            {text: meant for text, meant in side.items() if meant not in twice and said.meant_by(text) == meant}
            for side in found
        )
    )


def _check_single_meaning(text: str, common: set[str]) -> None:
    """Raise WrongTable where a text means several labels of both sides: counted as neither, it would be an error."""
    are_truths = all(truth(label) in ("true", "false") for label in common)
    for rule, words in RULES if are_truths else RULES[:-1]:
        meant = sorted(label for label in common if rule(label) == rule(text))
        if len(meant) > 1:
            names = told_apart((text, *meant))
            raise WrongTable(
                f"{quoted(names[text])}, which is on one side of --label and predictions alone, means several labels"
                f" of both {words}: {_shown(meant, names)}; write it as the one that is meant"
            )
        if meant:
            return


def _told_seconds(seconds: Mapping[str, str], sides: str) -> list[str]:
    """A line for each rule by which some are second spellings."""
    by_words: dict[str, dict[str, str]] = {}
    for text, meant in seconds.items():
        words = next(words for rule, words in RULES if rule(text) == rule(meant))
        by_words.setdefault(words, {})[text] = meant
    return [_told(by_words[words], words, sides) for _, words in RULES if words in by_words]


def _warnings(truths: set[str], answers: set[str]) -> list[str]:
    """What is left over on both sides, and what of either may mean the same as one of the other."""
    only_truths, only_answers = truths - answers, answers - truths
    by_truth, by_answer = _grouped(_at_most, truths), _grouped(_at_most, answers)
    alike = {_at_most(text) for text in only_truths} & by_answer.keys()
    alike |= {_at_most(text) for text in only_answers} & by_truth.keys()
    true = [text for key in alike for text in by_truth[key]]
    said = [text for key in alike for text in by_answer[key]]
    names = told_apart({*only_answers, *only_truths, *true, *said})
    notes = []
    if only_truths and only_answers:
        notes.append(
            f"warning: predictions that are no true label: {_shown(only_answers, names)}; true labels that were never"
            f" predicted: {_shown(only_truths, names)}"
        )
    if alike:
        notes.append(
            f"warning: --label has {_shown(true, names)} where the predictions have {_shown(said, names)}: they are"
            " counted as different, so the accuracy is too low if they mean the same; write both in the same way"
        )
    return notes


def warning_of_twins(labels: Collection[str]) -> str:
    """A line where some of the labels to learn from may mean the same, and be one class; empty where none do.

    >>> warning_of_twins({"yes", "no", "Yes"}).partition(":")[2].partition(":")[0]
    " labels to learn from may mean the same, {'Yes', 'yes'}"
    """
    twins = [text for group in _grouped(_at_most, labels).values() if len(group) > 1 for text in group]
    if not twins:
        return ""
    shown = _shown(twins, told_apart(labels))
    return (
        f"warning: labels to learn from may mean the same, {shown}: each is a class of its own; if they do, write them"
        " in one way"
    )


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


def _at_most(text: str) -> str:
    """What a text may mean at most: as ``truth`` (but of letters, which are codes too), as it looks, and without
    leading zeros."""
    short = shape_of(cased(text))
    if short.isdigit():
        short = valued(short.lstrip("0") or "0")
    return short if short in TRUTH_LETTERS else truth(short)


def _told(rewritten: Mapping[str, str], words: str, sides: str) -> str:
    shown = listed((f"{quoted(a)} as {quoted(b)}" for a, b in sorted(rewritten.items())), most=SHOWN_MAX)
    return f"{sides} {words}: {shown}"


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
