"""The root of a deployment: from the address of `FederatedRounds` all its other contracts follow, by reading the chain.

`FederatedRounds.deployment()` names nine contracts, the managed ones among them name their AccessManager. Each has to
have this version's code, so that what its views say is what it obeys, and each has to name the others as the root does:
a second registry that points at the root is not one that the root points at. Two contracts of an address book do not
follow: a rule (each study names its own, `contracts.check_rule`) and the development token (nothing depends on it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from eth_utils.crypto import keccak

from medfed.chain.artifacts import artifact
from medfed.chain.calls import Call, checksum
from medfed.chain.client import BlockLike, ChainClient
from medfed.chain.contracts import Rounds
from medfed.chain.contracts.base import interface_of
from medfed.chain.errors import RpcError
from medfed.errors import ConfigError, NotProved, WrongChain
from medfed.types import Address

__all__ = ["ROOT", "check_chain_id", "check_code", "check_start", "follow"]

ROOT = "FederatedRounds"
_MANAGER, _AUTHORITY = "AccessManager", "authority"
_DOMAIN = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_CONTRACTS = {
    "consortium": "Consortium",
    "datasets": "DatasetRegistry",
    "consents": "ConsentRegistry",
    "vault": "StakeVault",
    "studies": "Studies",
    "claims": "Claims",
    "proofs": "Proofs",
    "payouts": "Payouts",
    "market": "ModelMarket",
}
"""Field of `deployment()` -> the contract that it names."""


def follow(client: ChainClient, root: Address, block: BlockLike = None) -> dict[str, Address]:
    """Every contract of the deployment of `root`, by name. Raises `WrongChain` where one has other code than this
    version's or names another contract than the root does."""
    check_code(client, ROOT, root, block)
    named = asdict(Rounds(client, root).deployment(block))
    found = {ROOT: root} | {_CONTRACTS[field]: checksum(address) for field, address in named.items()}
    for name, address in found.items():
        if name != ROOT:
            check_code(client, name, address, block)
    views = {field.upper(): found[name] for field, name in _CONTRACTS.items()} | {"ROUNDS": root}
    told = _told(client, found, [*views, _AUTHORITY], block)
    manager = told["Consortium", _AUTHORITY]
    check_code(client, _MANAGER, manager, block)
    for (name, view), address in told.items():
        if address != {**views, _AUTHORITY: manager}[view]:
            raise WrongChain(
                f"The contract {name} at {found[name]} obeys {address} as its {view}, which is not of the deployment of "
                f"{ROOT} at {root}; use the addresses that the consortium has published."
            )
    return found | {_MANAGER: manager}


def check_code(client: ChainClient, name: str, address: Address, block: BlockLike = None) -> None:
    """Raise `WrongChain` unless the contract's code is this version's, constructor values aside."""
    if not artifact(name).is_code(client.code(address, block)):
        raise WrongChain(
            f"The contract {name} at {address} has other code than this version of medfed; "
            "use the version that was deployed, or the addresses that the consortium has published."
        )


def check_chain_id(client: ChainClient, consortium: Address) -> None:
    """Raise `WrongChain` unless the code of `Consortium` holds the client's chain id where its constructor put it, and the hash
    of its EIP-712 domain with that id.

    Of the constructor's values the domain's come first, in this order: its hash, the chain id, the contract's own address,
    the hashes of name and version.
    """
    code, chain_id = client.code(consortium), client.chain_id.to_bytes(32, "big")
    domain, told, own, name, version, *_ = _constants("Consortium", code)
    wanted = keccak(_DOMAIN + name + version + chain_id + own)
    if (told, domain, own[12:]) != (chain_id, wanted, bytes.fromhex(consortium[2:])):
        raise WrongChain(
            f"The contract Consortium at {consortium} was made on another chain than {client.chain_id}."
        )


def check_start(client: ChainClient, contracts: Iterable[Address], block: int) -> None:
    """Raise `WrongChain` where one of the contracts stood when `block` ended, so that a history that begins after it is
    cut; `NotProved` where the chain does not say."""
    if block <= 0:
        return
    try:
        standing = [address for address in contracts if client.code(address, block)]
    except (RpcError, ConfigError, NotProved) as exc:
        raise NotProved(
            f"whether the contracts' history begins with block {block + 1}: {client.label} shows no state so old"
        ) from exc
    if standing:
        raise WrongChain(
            f"The contract at {standing[0]} stood already in block {block}, and the history given begins after it: "
            "events are left out; use an address book with the block of its creation."
        )


def _constants(name: str, code: bytes) -> list[bytes]:
    """What the constructor wrote into a contract's code, in the order of declaration: the compiler numbers it so."""
    immutables = artifact(name).immutables
    first = [immutables[key][0] for key in sorted(immutables, key=int)]
    return [code[start : start + length] for start, length in first]


def _told(
    client: ChainClient, found: Mapping[str, Address], views: Iterable[str], block: BlockLike
) -> dict[tuple[str, str], Address]:
    """What each contract says of the others: (contract, view) -> address."""
    asked = [(name, view) for name in found for view in views if interface_of(name).has(view)]
    calls = [
        Call(found[name], interface_of(name).encode(view), label=f"{name}.{view}") for name, view in asked
    ]
    answers = client.read_all(calls, block=block)
    return {
        (name, view): checksum(interface_of(name).decode(view, answer))
        for (name, view), answer in zip(asked, answers, strict=True)
    }
