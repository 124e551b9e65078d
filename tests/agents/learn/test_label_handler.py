"""Late labels are joined with stored predictions, on a real ClickHouse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.learn.label_handler import LabelHandler
from agents.settings import LABEL_WAIT_SECONDS_DEFAULT
from schemas.codec import decode, encode
from schemas.topics import CORRECTIONS, REJECTS
from schemas.wire.correction import Correction
from schemas.wire.label import Label
from schemas.wire.prediction import Prediction
from schemas.wire.reject import Reject
from streams.consume.batches import HandBack
from tests.support.plain_record import PREFIX, CollectingOutbox, PlainRecord
from tests.support.plain_rows import rows_of
from warehouse.client import Warehouse
from warehouse.store.rows import Identity

pytestmark = pytest.mark.servers


def store_predictions(warehouse: Warehouse, *numbers: int, **changes: Any) -> None:
    """Store predictions as RECORD does."""
    values = [
        decode(
            Prediction,
            json.dumps(
                {
                    "event_id": f"e-{n}",
                    "model": "m",
                    "model_version": "2",
                    "time": 1_700_000_000_000 + n,
                    "features": {"x": n / 2, "plan": "gold"},
                    "prediction": "up",
                    "confidence": 0.75,
                    "consent": {"review": True, "learn": n != 3},
                }
                | changes
            ).encode(),
        )
        for n in numbers
    ]
    warehouse.insert("predictions", rows_of("predictions", values, Identity("id", 0, numbers[0])))


def label(number: int, purpose: str = "learn", model: str = "m", text: str | int | bool = "down") -> bytes:
    return encode(Label(event_id=f"e-{number}", model=model, label=text, time=1, purpose=purpose))  # type: ignore[arg-type]


def records(*values: bytes) -> list[PlainRecord]:
    return [PlainRecord(value, name="labels", number=n) for n, value in enumerate(values)]


class Clock:
    """A clock that the test moves."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def joiner(warehouse: Warehouse, clock: Clock, paused: list[float], declared: tuple[str, ...] = ()) -> LabelHandler:
    def pause(seconds: float) -> bool:
        paused.append(seconds)
        return True

    return LabelHandler(warehouse, PREFIX, pause=pause, clock=clock, declared=lambda _model: declared)


def told(outbox: CollectingOutbox) -> list[tuple[int, str, str]]:
    """Offset, field and reason of each Reject."""
    rejects = [value for value in outbox.of(REJECTS) if isinstance(value, Reject)]
    return [(reject.source_offset, reject.field, reject.reason) for reject in rejects]


def test_a_label_becomes_a_correction(warehouse: Warehouse) -> None:
    """The correction has the prediction's values, and its consent to learning."""
    store_predictions(warehouse, 1, 3)
    outbox = CollectingOutbox()
    joiner(warehouse, Clock(), []).handle(records(label(1), label(3)), outbox)  # type: ignore[arg-type]
    first, third = (value for value in outbox.of(CORRECTIONS) if isinstance(value, Correction))
    assert (first.event_id, first.label, first.prediction, first.source) == ("e-1", "down", "up", "label")
    assert (first.time, first.model_version, first.confidence) == (1_700_000_000_001, "2", 0.75)
    assert first.features == {"x": 0.5, "plan": "gold"}
    assert (first.inclusion_probability, first.learn, third.learn) == (1.0, True, False)
    assert first.correction_id != third.correction_id


def test_labels_for_scoring_pass_by(warehouse: Warehouse) -> None:
    """A label that is only for scoring is never learned, whether its prediction is stored or not."""
    store_predictions(warehouse, 1)
    outbox = CollectingOutbox()
    joiner(warehouse, Clock(), []).handle(records(label(1, "score"), label(9, "score")), outbox)  # type: ignore[arg-type]
    assert outbox.sent == []


def test_a_label_waits_for_its_prediction(warehouse: Warehouse) -> None:
    """A label that comes before its prediction is stored is handed back, and joined once it is."""
    clock, paused, outbox = Clock(), [], CollectingOutbox()  # type: ignore[var-annotated]
    handler = joiner(warehouse, clock, paused)
    with pytest.raises(HandBack):
        handler.handle(records(label(1)), outbox)  # type: ignore[arg-type]
    assert paused
    store_predictions(warehouse, 1)
    clock.now += 2
    handler.handle(records(label(1)), outbox)  # type: ignore[arg-type]
    assert len(outbox.of(CORRECTIONS)) == 1
    assert not outbox.of(REJECTS)


def test_a_label_without_prediction_ends_as_a_reject(warehouse: Warehouse) -> None:
    """After its time the label is rejected with its id; those beside it are joined all the same."""
    store_predictions(warehouse, 1)
    clock, outbox = Clock(), CollectingOutbox()
    handler = joiner(warehouse, clock, [])
    batch = records(label(1), label(77), label(1, model="other"))
    left = handler.handle(batch, outbox)  # type: ignore[arg-type]
    assert (left, len(outbox.of(CORRECTIONS))) == (batch[1:], 1)
    clock.now += LABEL_WAIT_SECONDS_DEFAULT + 1
    assert handler.handle(left, outbox) == []  # type: ignore[arg-type]
    rejects = [value for value in outbox.of(REJECTS) if isinstance(value, Reject)]
    assert [reject.source_offset for reject in rejects] == [1, 2]
    assert rejects[0].reason.startswith("got 'e-77'; expected the event_id of a prediction of model ")
    assert "send the label again" in rejects[0].reason
    assert all(reject.role == "labels" and reject.field == "$.event_id" for reject in rejects)
    assert len(outbox.of(CORRECTIONS)) == 1


def test_a_label_has_its_own_time_to_wait(warehouse: Warehouse) -> None:
    """Behind a label that waits in vain, one whose prediction is stored late is joined, and not rejected."""
    clock, outbox = Clock(), CollectingOutbox()
    handler = joiner(warehouse, clock, [])
    vain, late = records(label(77), label(1))
    with pytest.raises(HandBack):
        handler.handle([vain], outbox)  # type: ignore[arg-type]
    clock.now += LABEL_WAIT_SECONDS_DEFAULT - 1
    with pytest.raises(HandBack):
        handler.handle([vain, late], outbox)  # type: ignore[arg-type]
    clock.now += 2
    assert handler.handle([vain, late], outbox) == [late]  # type: ignore[arg-type]
    store_predictions(warehouse, 1)
    assert handler.handle([late], outbox) == []  # type: ignore[arg-type]
    assert [value.source_offset for value in outbox.of(REJECTS) if isinstance(value, Reject)] == [0]
    assert len(outbox.of(CORRECTIONS)) == 1


def test_labels_of_other_partitions_do_not_wait(warehouse: Warehouse) -> None:
    """A waiting label holds up those behind it in its partition alone; rubbish before it is rejected at once."""
    store_predictions(warehouse, 1)
    outbox = CollectingOutbox()
    elsewhere = PlainRecord(label(1), name="labels", partition_number=1, number=5)
    rubbish, waiting, behind = records(b"rubbish", label(77), b"more rubbish")
    left = joiner(warehouse, Clock(), []).handle([rubbish, waiting, elsewhere, behind], outbox)  # type: ignore[arg-type]
    assert left == [waiting, behind]
    assert [value.source_offset for value in outbox.of(REJECTS) if isinstance(value, Reject)] == [0]
    assert len(outbox.of(CORRECTIONS)) == 1


def test_a_worker_that_is_not_to_go_on_tells_nothing(warehouse: Warehouse) -> None:
    """If the partitions are another worker's after the wait, all is handed back and nothing is sent."""
    outbox = CollectingOutbox()
    handler = LabelHandler(warehouse, PREFIX, pause=lambda _: False, clock=Clock())
    with pytest.raises(HandBack):
        handler.handle(records(b"rubbish", label(77)), outbox)  # type: ignore[arg-type]
    assert outbox.sent == []


def test_rubbish_is_rejected(warehouse: Warehouse) -> None:
    """A message that is no label is rejected with its bytes."""
    outbox = CollectingOutbox()
    joiner(warehouse, Clock(), []).handle(records(b"rubbish", b'{"event_id":"e"}'), outbox)  # type: ignore[arg-type]
    assert [value.original for value in outbox.of(REJECTS) if isinstance(value, Reject)] == [
        b"rubbish",
        b'{"event_id":"e"}',
    ]


@pytest.mark.parametrize("purpose", ["learn", "score"])
@pytest.mark.parametrize(
    ("said", "text", "meant"),
    [
        (("true", "false"), "True", "true"),
        ((True, False), "FALSE", "false"),
        ((1, 0), True, "1"),
        (("0",), "True", "1"),
        ((1, 2, 3), "3.0", "3"),
        ((1, 2), "3.0", "3"),
        (("stays", "leaves"), "Leaves", "leaves"),
    ],
)
def test_a_label_that_is_written_otherwise_is_told(
    warehouse: Warehouse, said: tuple[Any, ...], text: Any, meant: str, purpose: str
) -> None:
    """It would count as an error whatever the model answers: a Reject names both spellings, and nothing is learned."""
    for number, answer in enumerate(said, 1):
        store_predictions(warehouse, number, prediction=answer)
    outbox = CollectingOutbox()
    right = json.loads(json.dumps(said[0]))
    batch = records(label(1, purpose, text=text), label(1, "learn", text=right))
    joiner(warehouse, Clock(), []).handle(batch, outbox)  # type: ignore[arg-type]
    ((offset, field, reason),) = told(outbox)
    assert (offset, field) == (0, "$.label")
    written = "true" if text is True else text
    assert reason.startswith(f"got {written!r}; expected {meant!r}, as model 'm' writes it, or")
    assert len(outbox.of(CORRECTIONS)) == 1


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (("true", "false"), "maybe"),
        (("1",), "0"),
        (("a", "A"), "b"),
        (("yes", "no", "never"), "1"),
        (("007", "008"), "7"),
        ((1, 2), "1e9999999"),
        (("true", "True"), "True"),
        ((), "anything"),
    ],
)
def test_a_label_of_its_own_is_taken(warehouse: Warehouse, said: tuple[Any, ...], text: str) -> None:
    """A label that the model has not given in any spelling may be right; so may one that it gives in two spellings."""
    for number, answer in enumerate(said, 1):
        store_predictions(warehouse, number, prediction=answer)
    outbox = CollectingOutbox()
    joiner(warehouse, Clock(), []).handle(records(label(1, "score", text=text)), outbox)  # type: ignore[arg-type]
    assert told(outbox) == []


def test_labels_are_known_from_probabilities_and_settings(warehouse: Warehouse) -> None:
    """A label with a probability is known; if the settings name two that differ by case, case counts."""
    store_predictions(warehouse, 1, prediction="a", confidence=None, probabilities={"a": 0.5, "b": 0.5})
    for declared, refused in (((), ["got 'A'; ", "got 'B'; "]), (("A", "a"), [])):
        outbox = CollectingOutbox()
        batch = records(*(label(1, "score", text=text) for text in ("A", "B", "b")))
        joiner(warehouse, Clock(), [], declared).handle(batch, outbox)  # type: ignore[arg-type]
        assert [reason[:9] for _, _, reason in told(outbox)] == refused


def test_one_odd_prediction_does_not_end_the_check_of_declared_labels(warehouse: Warehouse) -> None:
    """One prediction in a second spelling makes no second label of a declared one."""
    for number, said in enumerate(("leaves", "stays", "Leaves"), 1):
        store_predictions(warehouse, number, prediction=said)
    outbox = CollectingOutbox()
    batch = records(label(1, "score", text="Leaves"), label(3, "score", text="Leaves"))
    joiner(warehouse, Clock(), [], ("leaves", "stays")).handle(batch, outbox)  # type: ignore[arg-type]
    ((offset, field, reason),) = told(outbox)
    assert (offset, field, reason[:33]) == (0, "$.label", "got 'Leaves'; expected 'leaves', ")


def test_the_first_prediction_in_a_new_spelling_is_waited_for(warehouse: Warehouse) -> None:
    """The model's spelling has changed: the label's own prediction shows it, once it is stored."""
    store_predictions(warehouse, 1, prediction="True")
    clock, outbox = Clock(), CollectingOutbox()
    handler = joiner(warehouse, clock, [])
    with pytest.raises(HandBack):
        handler.handle(records(label(2, text="true")), outbox)  # type: ignore[arg-type]
    store_predictions(warehouse, 2, prediction="true")
    handler.handle(records(label(2, text="true")), outbox)  # type: ignore[arg-type]
    assert (told(outbox), len(outbox.of(CORRECTIONS))) == ([], 1)


def test_a_label_from_the_future_is_rejected(warehouse: Warehouse) -> None:
    """Its time is a day ahead of when Kafka took it: it would be the newest label for ever."""
    store_predictions(warehouse, 1)
    outbox = CollectingOutbox()
    taken_at = PlainRecord(b"").time_ms
    ahead = [Label(event_id="e-1", model="m", label="down", time=taken_at + 86_400_000 + late) for late in (1, 0)]
    joiner(warehouse, Clock(), []).handle(records(*map(encode, ahead)), outbox)  # type: ignore[arg-type]
    ((offset, field, reason),) = told(outbox)
    assert (offset, field, "too far in the future" in reason) == (0, "$.time", True)
    assert len(outbox.of(CORRECTIONS)) == 1
