"""Users and access control lists of the embedded Kafka, and the client that sets them at every start."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # it exports without saying so
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from streams.admin.access import ANONYMOUS, Grant, Operation, Resource
from streams.client_config import common_client_config
from streams.errors import AccessNotSet
from streams.settings import KafkaSettings

__all__ = ["EVERYBODY", "Access", "OwnerClient"]

ITERATIONS: Final = 4096
ANSWER_SECONDS_MAX: Final = 20.0
START_ANSWER_SECONDS_MAX: Final = 0.5
"""How long a node that starts may take to answer, before it is asked again."""
RECONNECT_MS_MAX: Final = 100

RESOURCES: Final[Mapping[Resource, ResourceType]] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS: Final[Mapping[Operation, AclOperation]] = {
    "read": AclOperation.READ,
    "write": AclOperation.WRITE,
    "create": AclOperation.CREATE,
    "describe": AclOperation.DESCRIBE,
    "describe_configs": AclOperation.DESCRIBE_CONFIGS,
    "all": AclOperation.ALL,
}
ANY: Final = AclBindingFilter(
    ResourceType.ANY,
    None,  # type: ignore[arg-type]  # any, and so are the next
    ResourcePatternType.ANY,
    None,  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    AclOperation.ANY,
    AclPermissionType.ANY,
)


class Access(msgspec.Struct, frozen=True):
    """Users with their passwords, and the rights of users and of the plain address; everything else is refused."""

    passwords: dict[str, str]
    grants: frozenset[Grant]

    def client(self, bootstrap: str, config: Mapping[str, str]) -> OwnerClient:
        """A client of the node at ``bootstrap`` that signs in by ``config`` and may do everything there."""
        settings = KafkaSettings(bootstrap=bootstrap, client=dict(config))
        admin = AdminClient({**common_client_config(settings), "reconnect.backoff.max.ms": RECONNECT_MS_MAX})
        return OwnerClient(admin, self)


EVERYBODY: Final = Access(
    passwords={},
    grants=frozenset(Grant(ANONYMOUS, resource, "*", "all") for resource in RESOURCES),
)
"""Everything is allowed to clients of the plain address; for tests and measurements."""


class OwnerClient:
    """A client of one node, signed in as its owner: it asks whether the node answers, and sets its access."""

    def __init__(self, admin: AdminClient, access: Access) -> None:
        self._admin = admin
        self._access = access

    def brokers_answering(self, pause_seconds: float) -> int:
        """How many brokers the node knows of; 0, after a pause, while the node does not answer."""
        try:
            return len(self._admin.list_topics(timeout=START_ANSWER_SECONDS_MAX).brokers)
        except KafkaException:
            time.sleep(pause_seconds)
            return 0

    def set_access(self) -> None:
        """Make users and access control lists exactly those of ``access``; raises AccessNotSet if Kafka refuses.

        Users are set first: once a node has the lists, users can sign in.
        """
        admin, access = self._admin, self._access
        try:
            answer: Any = admin.describe_user_scram_credentials()
            known = answer.result(ANSWER_SECONDS_MAX)
            changes: list[Any] = [
                UserScramCredentialDeletion(user, info.mechanism)
                for user, credentials in known.items()
                if user not in access.passwords
                for info in credentials.scram_credential_infos
            ]
            mechanism = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
            changes += [
                UserScramCredentialUpsertion(user, mechanism, password.encode())
                for user, password in access.passwords.items()
            ]
            if changes:
                _wait(admin.alter_user_scram_credentials(changes).values())
            wanted, present = _bindings(access), _present_bindings(admin)
            if new := sorted(wanted - present, key=str):
                _wait(admin.create_acls(new).values())
            if old := sorted(present - wanted, key=str):
                _wait(admin.delete_acls([_filter(binding) for binding in old]).values())
        except KafkaException as error:
            raise AccessNotSet(
                f"the embedded Kafka refuses its users and access control lists: {error.args[0].str()}"
            ) from None

    def has_access(self) -> bool:
        """Whether the node has these lists already; each node gets them a moment after they are set."""
        return _present_bindings(self._admin) == _bindings(self._access)


def _present_bindings(admin: AdminClient) -> set[AclBinding]:
    return set(admin.describe_acls(ANY, request_timeout=ANSWER_SECONDS_MAX).result(ANSWER_SECONDS_MAX))


def _bindings(access: Access) -> set[AclBinding]:
    return {_binding(grant) for grant in access.grants}


def _binding(grant: Grant) -> AclBinding:
    return AclBinding(
        RESOURCES[grant.resource],
        grant.name,
        ResourcePatternType.PREFIXED if grant.prefixed else ResourcePatternType.LITERAL,
        f"User:{grant.user}",
        "*",
        OPERATIONS[grant.operation],
        AclPermissionType.ALLOW if grant.allowed else AclPermissionType.DENY,
    )


def _filter(binding: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _wait(futures: Iterable[Future[Any]]) -> None:
    deadline = time.monotonic() + ANSWER_SECONDS_MAX
    for future in futures:
        future.result(max(0.1, deadline - time.monotonic()))
