"""A Confluent schema registry: whether the schema that a message's prefix names is a JSON Schema.

Each id is asked for once, within bounds, and a registry that does not answer delays nothing. Only the type of a schema
counts: watchloop checks predictions itself.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog
from cachetools import FIFOCache

from schemas.texts.one_line import one_line
from streams.errors import TEXT_CHARS_MAX, RegistryUnreachable
from streams.settings import KafkaSettings

__all__ = ["Registry", "SchemaCheck", "check_registry", "registry_of"]

log = structlog.get_logger(__name__)

EXPECTED: Final = "JSON"

SCHEMAS_MAX: Final = 10_000
"""Ids that are remembered; beyond it the id that was asked for longest ago is forgotten, and asked for again."""

UNKNOWN_SECONDS: Final = 60.0
"""How long an id counts as unknown; then it is asked for again, because it may have been registered."""

BACK_OFF_SECONDS_MIN: Final = 1.0
BACK_OFF_SECONDS_MAX: Final = 60.0
"""How long a registry that did not answer is not asked; the time doubles with each failure."""

ASKED_MAX: Final = 600
ASKED_SECONDS: Final = 60.0
"""At most so many ids are asked for in so many seconds, or messages that each name another id would be read only as
fast as the registry answers. Beyond it an id counts as not known yet, as if the registry did not answer."""

UNKNOWN_SCHEMA: Final = 40403
"""The registry's error code for an id that it does not know."""


class SchemaCheck(Protocol):
    """What a reader of predictions asks about the schemas of a registry."""

    def problem_of(self, schema_id: int) -> str | None:
        """Why messages of that schema cannot be predictions in JSON; None if they can, or that is not known."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    problem: str | None
    until: float


class Registry:
    """Remembers the types of schemas. For one thread.

    ``type_of`` asks the registry for the type of a schema: it returns None for an unknown id and raises
    RegistryUnreachable if there is no answer. ``clock`` returns seconds.
    """

    def __init__(self, type_of: Callable[[int], str | None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._type_of = type_of
        self._clock = clock
        self._known: FIFOCache[int, _Known] = FIFOCache(SCHEMAS_MAX)
        self._silent_until = 0.0
        self._wait_seconds = 0.0
        self._asked: tuple[float, int] = (-ASKED_SECONDS, 0)

    def problem_of(self, schema_id: int) -> str | None:
        """Why messages of that schema cannot be predictions in JSON; None if they can, or that is not known."""
        known = self._known.get(schema_id)
        if known is not None and (known.until == float("inf") or self._clock() < known.until):
            return known.problem
        now = self._clock()
        if now < self._silent_until or not self._may_ask(now):
            return None if known is None else known.problem
        try:
            schema_type = self._type_of(schema_id)
        except RegistryUnreachable as error:
            self._back_off(error)
            return None if known is None else known.problem
        if self._wait_seconds:
            log.info("the schema registry answers again")
            self._wait_seconds = 0.0
        return self._remember(schema_id, schema_type)

    def _may_ask(self, now: float) -> bool:
        since, count = self._asked
        if now - since >= ASKED_SECONDS:
            since, count = now, 0
        self._asked = (since, count + 1)
        if count == ASKED_MAX:
            log.warning("too many schema ids to ask the registry for; messages are judged without it", ids=ASKED_MAX)
        return count < ASKED_MAX

    def _remember(self, schema_id: int, schema_type: str | None) -> str | None:
        if schema_type is None:
            problem: str | None = f"schema {schema_id} is not known to the registry; expected a JSON Schema of it"
            until = self._clock() + UNKNOWN_SECONDS
        else:
            problem = None if schema_type == EXPECTED else f"schema {schema_id} is {schema_type}; expected JSON Schema"
            until = float("inf")
        self._known[schema_id] = _Known(problem, until)
        return problem

    def _back_off(self, error: RegistryUnreachable) -> None:
        self._wait_seconds = min(BACK_OFF_SECONDS_MAX, max(BACK_OFF_SECONDS_MIN, self._wait_seconds * 2))
        self._silent_until = self._clock() + self._wait_seconds
        log.warning(
            "the schema registry does not answer; messages with schema ids not known yet are judged without it",
            wait_seconds=self._wait_seconds,
            why=str(error),
        )


def registry_of(settings: KafkaSettings) -> Registry | None:
    """The registry that the settings name, if any; it is not asked yet."""
    return Registry(_asking(settings)) if settings.registry_url else None


def check_registry(settings: KafkaSettings) -> None:
    """Ask the registry for any id; raises RegistryUnreachable if it does not answer."""
    _asking(settings)(1)


def _asking(settings: KafkaSettings) -> Callable[[int], str | None]:
    # These take a second to import and are needed only with a registry.
    import httpx2
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.error import SchemaRegistryError

    config: dict[str, Any] = {
        "url": settings.registry_url,
        "timeout": settings.registry_seconds_max,
        "max.retries": 0,  # Registry tries again later, so that no message waits
    }
    if settings.registry_user:
        config["basic.auth.user.info"] = f"{settings.registry_user}:{settings.registry_password}"
    client = SchemaRegistryClient(config)

    def type_of(schema_id: int) -> str | None:
        try:
            schema_type = str(client.get_schema(schema_id).schema_type)
            client.clear_caches()  # type: ignore[no-untyped-call]  # they have no bound
            return schema_type
        except SchemaRegistryError as error:
            if error.error_code == UNKNOWN_SCHEMA:
                return None
            raise RegistryUnreachable(f"{settings.registry_url}: {one_line(error, TEXT_CHARS_MAX)}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            what = one_line(error, TEXT_CHARS_MAX) or type(error).__name__
            raise RegistryUnreachable(f"{settings.registry_url}: {what}") from error

    return type_of
