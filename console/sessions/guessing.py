"""Guessing: limits how often a password may be tried, by browser, network and person."""

from __future__ import annotations

import asyncio
import ipaddress
from types import TracebackType

import msgspec
from cachetools import FIFOCache

from console.sessions.attempts import Attempts
from console.sessions.devices import Device, Devices
from console.settings import ConsoleSettings

__all__ = ["Attempt", "Guessing", "PasswordTurns", "TurnsTaken", "network_of"]

IPV6_PREFIX_BITS = 64
"""A household or a server owns a network of at least this size, so its addresses count as one."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to sign in: whose, from which network and browser. ``allowance`` names the one it was counted on."""

    person_id: str
    network: str
    device: Device | None
    allowance: str


class Guessing:
    """Allowances of wrong passwords, each with waits that grow (``Attempts``). Times are epoch milliseconds.

    There are three, tried in this order: that of a browser with which the person has signed in before (``device``),
    that of a network from which the person has signed in before (``network``), and that of everybody else who tries
    this person's name (``stranger``). The last two also count on the allowance of the network, for all names together.
    If one is used up, the next is used. So a stolen cookie is worth a few guesses, and nobody elsewhere can use up the
    allowance of a browser in use.

    A browser that fails with another name than that of its last sign-in loses its own allowance for a while.
    Everything is kept in memory and bounded by ``sign_in_entries_max``; after a restart cookies are still known,
    networks are not.
    """

    def __init__(self, settings: ConsoleSettings, devices: Devices) -> None:
        self.devices = devices
        self._by_device = attempts_of(settings, settings.sign_in_failures_max)
        self._by_known_network = attempts_of(settings, settings.sign_in_failures_max)
        self._by_person = attempts_of(settings, settings.sign_in_failures_max)
        self._by_network = attempts_of(settings, settings.sign_in_failures_per_address_max)
        self._known_networks: FIFOCache[str, None] = FIFOCache(settings.sign_in_entries_max)

    def begin(self, person_id: str, address: str, cookie: str, now_ms: int) -> Attempt | int:
        """Count an attempt, as failed for now, and return it; or return the seconds to wait, rounded up."""
        now, network = now_ms / 1_000, network_of(address)
        device = self.devices.read(cookie, now_ms)
        waits = []
        if device is not None and device.person_mark == self.devices.mark_of(person_id):
            waits.append(self._by_device.take(device.device_id, now))
            if not waits[-1]:
                return Attempt(person_id=person_id, network=network, device=device, allowance="device")
        pair = pair_of(person_id, network)
        allowances = [("stranger", self._by_person, person_id)]
        if pair in self._known_networks:
            allowances.insert(0, ("network", self._by_known_network, pair))
        wait_of_network = self._by_network.wait(network, now)
        for allowance, attempts, key in allowances:
            waits.append(max(wait_of_network, attempts.wait(key, now)))
            if not waits[-1]:
                attempts.count(key, now)
                self._by_network.count(network, now)
                return Attempt(person_id=person_id, network=network, device=device, allowance=allowance)
        return min(waits)

    def was_right(self, attempt: Attempt, now_ms: int) -> str:
        """The password was right: forget the failures on its allowance. Returns the browser's new cookie."""
        pair = pair_of(attempt.person_id, attempt.network)
        if attempt.allowance == "device" and attempt.device is not None:
            self._by_device.forget(attempt.device.device_id)
        elif attempt.allowance == "network":
            self._by_known_network.forget(pair)
        else:
            self._by_person.forget(attempt.person_id)
        if attempt.allowance != "device":
            self._by_network.give_back(attempt.network)
        self._known_networks[pair] = None
        return self.devices.cookie_of(attempt.person_id, now_ms)

    def was_wrong(self, attempt: Attempt, now_ms: int) -> None:
        """The password was wrong: the attempt stays counted. A browser that tried another name loses its allowance."""
        if attempt.device is not None and attempt.allowance != "device":
            self._by_device.exhaust(attempt.device.device_id, now_ms / 1_000)


class TurnsTaken(Exception):  # noqa: N818  # reads as what happened
    """Too many passwords wait to be checked already."""


class PasswordTurns:
    """An asynchronous context manager in which ``parallel_max`` passwords are checked at the same time.

    ``waiting_max`` further ones wait; another one raises TurnsTaken.
    """

    def __init__(self, parallel_max: int, waiting_max: int) -> None:
        self._turns = asyncio.Semaphore(parallel_max)
        self._waiting_max = waiting_max
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._waiting >= self._waiting_max:
            raise TurnsTaken
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._turns.release()


def network_of(address: str) -> str:
    """The network that an address counts as: itself for IPv4, its /64 for IPv6; any other text stays unchanged.

    >>> network_of("192.0.2.7"), network_of("2001:db8::1"), network_of("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7')
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, IPV6_PREFIX_BITS), strict=False))
    return str(parsed)


def pair_of(person_id: str, network: str) -> str:
    """The key of a person at a network."""
    return f"{network}\0{person_id}"


def attempts_of(settings: ConsoleSettings, failures_max: int) -> Attempts:
    """A counter of failures with the waits of the settings."""
    return Attempts(
        failures_max=failures_max,
        wait_seconds=settings.sign_in_wait_seconds,
        wait_seconds_max=settings.sign_in_wait_seconds_max,
        forget_seconds=settings.sign_in_forget_seconds,
        entries_max=settings.sign_in_entries_max,
    )
