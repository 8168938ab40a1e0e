"""Checks a deployment against this version's contracts and the parameters: code, constructor wiring, roles, tokens.

The expected code of a contract is what its creation returns when it is tried again, by `eth_call`, with the arguments
that the parameters ask for. It is compared byte by byte, immutable values included; only a contract's own address and
the EIP-712 domain that contains it may differ, and those are compared with what they have to be.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from medfed.chain.artifacts import Artifact, artifact
from medfed.chain.calls import Call, create_address
from medfed.chain.client import ChainClient
from medfed.chain.contracts import Role
from medfed.chain.contracts.base import Contract, events_of, interface_of
from medfed.chain.deployer import (
    RESTRICTED,
    arguments_of,
    creation,
    names_for,
    wanted_holders,
)
from medfed.chain.deployment import Deployment
from medfed.chain.index import EventIndex, Source
from medfed.chain.params import Parameters
from medfed.errors import ContractRevert, ProtocolError
from medfed.types import Address

__all__ = ["Check", "verify"]

_PROBE = Address("0x000000000000000000000000000000000000dEaD")
_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_GAS = 1 << 24


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
    yield from _places(deployment, parameters)
    for name in names_for(parameters):
        yield _code(deployment, parameters, name)
    yield from _authorities(deployment)
    yield from _functions(deployment)
    yield from _holders(deployment, parameters)
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


def _functions(deployment: Deployment) -> Iterator[Check]:
    for kind, functions, role in RESTRICTED:
        target = deployment.book.contracts[kind.NAME].address
        for function in functions:
            selector = interface_of(kind.NAME).selector(function)
            asked = functools.partial(deployment.manager.target_function_role, target, selector)
            yield _equal(f"{kind.NAME}.{function} asks for {role.name}", asked, role)


def _equal(subject: str, ask: Callable[[], object], wanted: object) -> Check:
    """One question to a contract, which may be another than it should be and not answer at all."""
    try:
        found = ask()
    except (ContractRevert, ProtocolError):
        return Check(subject, ok=False, found="the contract does not answer")
    return Check(subject, ok=found == wanted, found="" if found == wanted else str(found))


def _holders(deployment: Deployment, parameters: Parameters) -> Iterator[Check]:
    """Who holds each role, from the whole history of the AccessManager: nobody but those who should."""
    actual = _all_holders(deployment)
    for role, holder in wanted_holders(parameters, deployment.book.admin).items():
        found = actual.get(int(role), set())
        extra = ", ".join(sorted(found - {holder}))
        yield Check(
            f"{role.name} is held by {holder}", holder in found, "" if holder in found else "it is not"
        )
        yield Check(f"{role.name} is held by no one else", not extra, extra)
    others = sorted(set(actual) - {int(role) for role in Role})
    yield Check("no other roles are given", not others, ", ".join(map(str, others)))


def _all_holders(deployment: Deployment) -> dict[int, set[str]]:
    placed = deployment.book.contracts["AccessManager"]
    source = Source(placed.address, events_of("AccessManager"), placed.block)
    index = EventIndex(None, deployment.client, [source], confirmations=0)
    index.sync()
    changes = [*index.events("RoleGranted"), *index.events("RoleRevoked")]
    holders: dict[int, set[str]] = {}
    for event in sorted(changes, key=lambda event: (event.block, event.log_index)):
        accounts = holders.setdefault(event["role_id"], set())
        accounts.discard(event["account"])
        if event.name == "RoleGranted":
            accounts.add(event["account"])
    index.close()
    return {role: accounts for role, accounts in holders.items() if accounts}


def _tokens(deployment: Deployment, parameters: Parameters) -> Iterator[Check]:
    own = [] if deployment.development_token is None else [deployment.development_token.address]
    for token in [*map(Address, parameters.tokens), *own]:
        yield _equal(
            f"token {token} is allowed", functools.partial(deployment.vault.is_allowed, token), wanted=True
        )
