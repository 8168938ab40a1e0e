"""Checks a deployment against this version's contracts and the parameters: code, constructor wiring, roles and how they are
run, tokens.

The expected code of a contract is what its creation returns when it is tried again, by `eth_call`, with the arguments
that the parameters ask for. It is compared byte by byte, immutable values included; only a contract's own address and
the EIP-712 domain that contains it may differ, and those are compared with what they have to be.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from medfed.chain.administration import holders, in_words, scheduled, settings
from medfed.chain.artifacts import Artifact, artifact
from medfed.chain.calls import Call, create_address
from medfed.chain.client import ChainClient
from medfed.chain.contracts import Role
from medfed.chain.contracts.base import Contract, events_of, interface_of
from medfed.chain.deployer import arguments_of, creation, names_for
from medfed.chain.deployment import Deployment
from medfed.chain.index import EventIndex, Source
from medfed.chain.params import Parameters
from medfed.chain.roles import role_name, wanted_holders
from medfed.errors import ContractRevert, ProtocolError
from medfed.types import Address

__all__ = ["Check", "administration_checks", "contract_checks", "verify"]

_PROBE = Address("0x000000000000000000000000000000000000dEaD")
_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_GAS = 1 << 24
_EXPIRATION = 7 * 86_400
"""Seconds from which on a scheduled operation can be carried out no more: `AccessManager.expiration`."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, whether it is right, and what was found where it is not."""

    subject: str
    ok: bool
    found: str = ""

    def __str__(self) -> str:
        return f"{'ok   ' if self.ok else 'WRONG'} {self.subject}{f': {self.found}' if self.found else ''}"


def verify(deployment: Deployment, parameters: Parameters) -> Iterator[Check]:
    """Every check, one after the other. Raises only when the chain does not answer."""
    yield from contract_checks(deployment, parameters)
    yield from administration_checks(deployment, parameters)


def contract_checks(deployment: Deployment, parameters: Parameters) -> Iterator[Check]:
    """What makes this the deployment that it is said to be: code, constructor values, whom it obeys."""
    yield from _places(deployment, parameters)
    for name in names_for(parameters):
        yield _code(deployment, parameters, name)
    yield from _authorities(deployment)


def administration_checks(deployment: Deployment, parameters: Parameters) -> Iterator[Check]:
    """What its administration may change, against what it has when nobody did."""
    for setting in settings(deployment):
        yield _equal(f"{setting.subject} {setting.fresh}", setting.told, setting.fresh)
    with contextlib.closing(_history(deployment)) as index:
        yield from _holders(deployment, parameters, index)
        yield _changes(index, deployment.client.head().timestamp)
        yield _scheduled(index, deployment.client.head().timestamp)
        yield _labels(index)
    yield from _tokens(deployment, parameters)


def _places(deployment: Deployment, parameters: Parameters) -> Iterator[Check]:
    book, client = deployment.book, deployment.client
    wanted = "0x" + client.genesis_hash.hex()
    same = (book.chain_id, book.genesis) == (client.chain_id, wanted)
    yield Check(
        f"chain {book.chain_id} with genesis {book.genesis[:10]}…",
        same,
        "" if same else f"{client.chain_id} {wanted[:10]}…",
    )
    missing = sorted(set(names_for(parameters)) - set(book.contracts))
    yield Check("address book is complete", not missing, ", ".join(missing))


def _code(deployment: Deployment, parameters: Parameters, name: str) -> Check:
    placed = deployment.book.contracts.get(name)
    subject = f"code and constructor of {name}"
    if placed is None:
        return Check(subject, ok=False, found="not in the address book")
    places = {each: item.address for each, item in deployment.book.contracts.items()}
    arguments = arguments_of(name, places, parameters, deployment.book.deployer)
    try:
        wanted = deployment.client.read(_limited(creation(name, arguments)), sender=_PROBE)
    except ContractRevert as exc:
        return Check(subject, ok=False, found=f"the constructor refuses the parameters ({exc})")
    actual = deployment.client.code(placed.address)
    found = _difference(deployment.client, artifact(name), placed.address, (wanted, actual))
    return Check(f"{subject} at {placed.address}", not found, found)


def _limited(call: Call) -> Call:
    return Call(None, call.data, gas=_GAS, label=call.label)


def _difference(client: ChainClient, made: Artifact, address: Address, codes: tuple[bytes, bytes]) -> str:
    """What is wrong with the actual code; empty when nothing is."""
    wanted, actual = codes
    if not actual:
        return "there is no contract"
    places = [place for group in made.immutables.values() for place in group]
    if _blanked(wanted, places) != _blanked(actual, places):
        return "the code is not that of this version"
    own = _own_values(client, made.name, address)
    for start, length in places:
        was, now = wanted[start : start + length], actual[start : start + length]
        if was != now and own.get(was) != now:
            return f"a constructor value is 0x{now.hex()} instead of 0x{was.hex()}"
    return ""


def _blanked(code: bytes, places: list[tuple[int, int]]) -> bytes:
    blank = bytearray(code)
    for start, length in places:
        blank[start : start + length] = bytes(length)
    return bytes(blank)


def _own_values(client: ChainClient, name: str, address: Address) -> dict[bytes, bytes]:
    """Values that depend on where a contract stands: at the place of the trial -> at `address`."""
    values: dict[bytes, bytes] = {}
    for nonce in (0, 1):  # nodes differ in the nonce of an account that never sent anything
        trial = create_address(_PROBE, nonce)
        values[encode(["address"], [trial])] = encode(["address"], [address])
        domain = _domain(client, name, address)
        if domain is not None:
            values[_separator(*domain, trial)] = _separator(*domain, address)
    return values


def _domain(client: ChainClient, name: str, address: Address) -> tuple[str, str, int] | None:
    """Name, version and chain of a contract's EIP-712 domain, None when it has none."""
    interface = interface_of(name)
    if not interface.has("eip712Domain"):
        return None
    try:
        answer = interface.decode("eip712Domain", client.call(address, interface.encode("eip712Domain")))
    except (ContractRevert, ProtocolError):
        return None
    return answer[1], answer[2], client.chain_id


def _separator(name: str, version: str, chain_id: int, contract: Address) -> bytes:
    fields = (_DOMAIN, keccak(name.encode()), keccak(version.encode()), chain_id, contract)
    return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], fields))


def _authorities(deployment: Deployment) -> Iterator[Check]:
    contracts: tuple[Contract, ...] = (
        deployment.consortium,
        deployment.vault,
        deployment.market,
    )
    for contract in contracts:
        yield _equal(
            f"{contract.NAME} obeys the AccessManager", contract.authority, deployment.manager.address
        )


def _equal(subject: str, ask: Callable[[], object], wanted: object) -> Check:
    """One question to a contract, which may be another than it should be and not answer at all."""
    try:
        found = ask()
    except (ContractRevert, ProtocolError):
        return Check(subject, ok=False, found="the contract does not answer")
    return Check(subject, ok=found == wanted, found="" if found == wanted else str(found))


def _history(deployment: Deployment) -> EventIndex:
    """All that the AccessManager was ever told."""
    placed = deployment.book.contracts["AccessManager"]
    source = Source(placed.address, events_of("AccessManager"), placed.block)
    index = EventIndex(None, deployment.client, [source], confirmations=0)
    index.sync()
    return index


def _holders(deployment: Deployment, parameters: Parameters, index: EventIndex) -> Iterator[Check]:
    """Who holds each role: nobody but those who should, and those at once and without notice."""
    actual = {(holder.role, holder.account) for holder in holders(index)}
    book = deployment.book
    if book.announced is not None:
        yield Check(f"{book.announced} holds the admin's roles, too, until it takes them over", ok=True)
    for role, holder in wanted_holders(parameters, book.admin).items():
        known = {holder, book.announced} if holder == book.admin else {holder}
        there = (role.name, holder) in actual
        yield Check(f"{role.name} is held by {holder}", there, "" if there else "it is not")
        if there:
            ask = functools.partial(_delay, deployment, role, holder)
            yield _equal(f"{holder} acts as {role.name} at once", ask, wanted="at once")
        others = {account for name, account in actual if name == role.name} - known
        extra = ", ".join(sorted(others))
        yield Check(f"{role.name} is held by no one else", not extra, extra)
    odd = sorted({name for name, _ in actual} - {role.name for role in Role})
    yield Check("no other roles are given", not odd, ", ".join(odd))


def _delay(deployment: Deployment, role: Role, holder: Address) -> str:
    """How long a holder waits before its acts count."""
    access = deployment.manager.access(role, holder)
    if access.since > deployment.client.head().timestamp:
        return f"from second {access.since} on"
    if access.effect:
        return f"after {access.delay} s of notice, {access.pending} s from second {access.effect} on"
    return f"after {access.delay} s of notice" if access.delay else "at once"


def _changes(index: EventIndex, now: int) -> Check:
    """Delays that are going to change: what the contract answers today is without them."""
    events = [*index.events("RoleGrantDelayChanged"), *index.events("TargetAdminDelayUpdated")]
    newest = {event.values.get("role_id", event.values.get("target")): event for event in events}
    coming = [
        f"{key if event.name == 'TargetAdminDelayUpdated' else role_name(key)} {event['delay']} s from second {event['since']} on"
        for key, event in newest.items()
        if event["since"] > now
    ]
    return Check("no delay is about to change", not coming, ", ".join(coming))


def _scheduled(index: EventIndex, now: int) -> Check:
    """Acts that were announced and may still be carried out."""
    coming = [in_words(event) for event in scheduled(index) if event["schedule"] + _EXPIRATION > now]
    return Check("no act is announced", not coming, ", ".join(coming))


def _labels(index: EventIndex) -> Check:
    """The names that block explorers show: none, or the role's own."""
    labels = {role_name(event["role_id"]): event["label"] for event in index.events("RoleLabel")}
    odd = [f"{name} is labelled {label!r}" for name, label in labels.items() if label not in ("", name)]
    return Check("no role has another's name", not odd, ", ".join(odd))


def _tokens(deployment: Deployment, parameters: Parameters) -> Iterator[Check]:
    own = [] if deployment.development_token is None else [deployment.development_token.address]
    for token in [*map(Address, parameters.tokens), *own]:
        yield _equal(
            f"token {token} is allowed", functools.partial(deployment.vault.is_allowed, token), wanted=True
        )
