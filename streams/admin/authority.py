"""Users and access control lists of the embedded Kafka, made to be what they should be at every start."""

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
from streams.errors import KafkaDidNotStart

__all__ = ["EVERYBODY", "Access", "has_access", "set_access"]

ITERATIONS: Final = 4096
ANSWER_SECONDS_MAX: Final = 20.0

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
    """Users with their passwords, and what they and the plain address may do; everything else is refused."""

    passwords: dict[str, str]
    grants: frozenset[Grant]


EVERYBODY: Final = Access(
    passwords={},
    grants=frozenset(Grant(ANONYMOUS, resource, "*", "all") for resource in RESOURCES),
)
"""No walls, for tests and measurements: whoever comes by the plain address may do everything."""


def set_access(admin: AdminClient, access: Access) -> None:
    """Make users and lists exactly those of ``access``, users first: who sees the lists may sign in.

    Raises KafkaDidNotStart where the cluster refuses.
    """
    try:
        asked: Any = admin.describe_user_scram_credentials()
        known = asked.result(ANSWER_SECONDS_MAX)
        changes: list[Any] = [
            UserScramCredentialDeletion(user, info.mechanism)
            for user, described in known.items()
            if user not in access.passwords
            for info in described.scram_credential_infos
        ]
        how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        changes += [
            UserScramCredentialUpsertion(user, how, password.encode()) for user, password in access.passwords.items()
        ]
        if changes:
            _wait(admin.alter_user_scram_credentials(changes).values())
        wanted, there = _bindings(access), _there(admin)
        if new := sorted(wanted - there, key=str):
            _wait(admin.create_acls(new).values())
        if old := sorted(there - wanted, key=str):
            _wait(admin.delete_acls([_filter(binding) for binding in old]).values())
    except KafkaException as error:
        raise KafkaDidNotStart(
            f"the embedded Kafka does not take its users and access control lists: {error.args[0].str()}"
        ) from None


def has_access(admin: AdminClient, access: Access) -> bool:
    """Whether the node that is asked goes by these lists already: each hears of them a moment later."""
    return _there(admin) == _bindings(access)


def _there(admin: AdminClient) -> set[AclBinding]:
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
