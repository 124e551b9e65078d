"""True labels and predictions that mean the same but are spelt differently: matched by rules and noted, or refused."""

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
    """New spellings of true labels (``rewritten``) and predictions (``answers``), by the old ones, and a note on them.

    Both are empty where both sides spell alike.
    """

    rewritten: dict[str, str]
    answers: dict[str, str]
    note: str


def matched(truths: Collection[str], answers: Collection[str], *, classes: Collection[str] = ()) -> Match:
    """Match the spellings of true labels with those of the model's answers. Raises WrongTable where none can match.

    1. Rules are tried in this order: without blanks at both ends; by the value of numbers; without case; as truth
       values. The first rule counts under which every text of one side equals a text of the other side, and no two
       texts of one side become equal.
    2. If no rule does that but both sides share some labels, the first three rules match single pairs: a label and a
       prediction, neither of which the other side has, if no other text means the same.
    3. A text that one side alone has may then mean, by ``KnownLabels``, a label that both sides have. It is a second
       spelling of that label and takes the shared one, unless both sides have a second spelling of it. WrongTable is
       raised where it could mean several shared labels.

    What differs only by leading zeros or by look-alike letters, and what no rule matches, is named in a warning. One
    label on each side without a match is not refused: the model may always be wrong.

    ``classes`` are spellings that the model itself keeps apart; none of them is changed.

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
    notes += [*_notes_on_seconds(seconds.truths, TRUTHS_AS), *_notes_on_seconds(seconds.answers, ANSWERS_AS)]
    rewritten |= {text: seconds.truths[new] for text in truths if (new := rewritten.get(text, text)) in seconds.truths}
    notes += _warnings({seconds.truths.get(text, text) for text in true}, set(answers) - seconds.answers.keys())
    return Match(rewritten, seconds.answers, "; ".join(notes))


def _of_sides(truths: Collection[str], answers: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """New spellings of true labels that the predictions do not have, and the notes on them."""
    only_truths, only_answers = set(truths) - set(answers), set(answers) - set(truths)
    if not only_truths or not only_answers:
        return {}, []
    for rule, words in RULES:
        rewritten = _by(rule, truths, answers)
        if rewritten:
            return rewritten, [_note_on(rewritten, words, TRUTHS_AS)]
    if len(only_answers) == len(set(answers)) and (len(only_truths) > 1 or len(only_answers) > 1):
        names = told_apart({*only_answers, *only_truths})
        raise WrongTable(
            f"labels and predictions have nothing in common: --label has {_shown(only_truths, names)}, the predictions"
            f" are {_shown(only_answers, names)}; write both in the same way"
        )
    return _of_rest(truths, answers)


def _of_rest(truths: Collection[str], answers: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """The same where both sides share some labels: single pairs of the others."""
    notes: list[str] = []
    rewritten: dict[str, str] = {}
    for rule, words in RULES[:-1]:
        pairs = {
            truth: answer
            for truth, answer in _pairs(rule, truths, answers)
            if truth not in rewritten and answer not in rewritten.values()
        }
        if pairs:
            notes.append(_note_on(pairs, words, TRUTHS_AS))
            rewritten |= pairs
    return rewritten, notes


class _Seconds(NamedTuple):
    """Second spellings of labels that both sides have, to the shared spelling."""

    truths: dict[str, str]
    answers: dict[str, str]


def _second_spellings(truths: set[str], answers: set[str], classes: frozenset[str]) -> _Seconds:
    common = truths & answers
    known = KnownLabels(common)
    seconds = [
        {text: meant for text in only if (meant := known.meant_by(text)) in common}
        for only in (
            truths - common,
            answers - common - classes,
        )
    ]
    for text in sorted((truths | answers) - common - classes - seconds[0].keys() - seconds[1].keys()):
        _check_single_meaning(text, common)
    answered = KnownLabels(answers - seconds[1].keys())  # live labels are matched with what the model answers
    twice = set(seconds[0].values()) & set(seconds[1].values())
    return _Seconds(
        *(
            {text: meant for text, meant in side.items() if meant not in twice and answered.meant_by(text) == meant}
            for side in seconds
        )
    )


def _check_single_meaning(text: str, common: set[str]) -> None:
    """Raise WrongTable where a text could mean several shared labels: unmatched, it would count as an error."""
    are_truths = all(truth(label) in ("true", "false") for label in common)
    for rule, words in RULES if are_truths else RULES[:-1]:
        meant = sorted(label for label in common if rule(label) == rule(text))
        if len(meant) > 1:
            names = told_apart((text, *meant))
            raise WrongTable(
                f"{quoted(names[text])}, which only one of --label and predictions has, means several labels of both"
                f" {words}: {_shown(meant, names)}; write it as the label that is meant"
            )
        if meant:
            return


def _notes_on_seconds(seconds: Mapping[str, str], sides: str) -> list[str]:
    """A note for each rule that found second spellings."""
    by_words: dict[str, dict[str, str]] = {}
    for text, meant in seconds.items():
        words = next(words for rule, words in RULES if rule(text) == rule(meant))
        by_words.setdefault(words, {})[text] = meant
    return [_note_on(by_words[words], words, sides) for _, words in RULES if words in by_words]


def _warnings(truths: set[str], answers: set[str]) -> list[str]:
    """Warnings of labels that one side alone has, and of those that may mean the same as one of the other side."""
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
    """A warning where several labels to learn from may mean the same; empty where none may.

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
    """Pairs of a label and a prediction that only their side has and that mean the same, where no third text does."""
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
    """The loosest meaning of a text: look-alike letters, case, leading zeros and spellings of truth values are equal.

    The letters t, f, y and n keep their own meaning, as they are also used as codes.
    """
    short = shape_of(cased(text))
    if short.isdigit():
        short = valued(short.lstrip("0") or "0")
    return short if short in TRUTH_LETTERS else truth(short)


def _note_on(rewritten: Mapping[str, str], words: str, sides: str) -> str:
    shown = listed((f"{quoted(a)} as {quoted(b)}" for a, b in sorted(rewritten.items())), most=SHOWN_MAX)
    return f"{sides} {words}: {shown}"


def _by(rule: Callable[[str], str], truths: Collection[str], answers: Collection[str]) -> dict[str, str]:
    """True labels to their spelling among the answers; empty where the rule does not match all texts of one side."""
    by_truth, by_answer = {rule(text): text for text in truths}, {rule(text): text for text in answers}
    if len(by_truth) < len(set(truths)) or len(by_answer) < len(set(answers)):
        return {}
    if not (by_truth.keys() <= by_answer.keys() or by_answer.keys() <= by_truth.keys()):
        return {}
    common = by_truth.keys() & by_answer.keys()
    return {by_truth[key]: by_answer[key] for key in common if by_truth[key] != by_answer[key]}


def _shown(texts: Collection[str], names: Mapping[str, str]) -> str:
    """The first few texts by their ``names``, which differ where the texts look the same."""
    return "{" + listed((quoted(names[text]) for text in sorted(texts)), most=SHOWN_MAX) + "}"
