"""The contracts of one deployment, ready to use. `medfed.chain.deployer` makes deployments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medfed import __version__
from medfed.chain.addresses import AddressBook, Placed, find_book, read_book
from medfed.chain.artifacts import artifact
from medfed.chain.client import BlockLike, ChainClient
from medfed.chain.contracts import (
    AccessManager,
    Claims,
    Consents,
    Consortium,
    Datasets,
    Market,
    Payouts,
    Proofs,
    Rounds,
    Studies,
    SumRule,
    Token,
    Vault,
)
from medfed.chain.contracts.base import events_of
from medfed.chain.index import EventIndex, Source
from medfed.chain.root import ROOT, check_code, check_start, follow
from medfed.errors import WrongChain
from medfed.types import NO_ACCOUNT, Address

__all__ = [
    "Deployment",
    "compiler_version",
    "deployment_of",
    "found_from",
    "load",
    "open_index",
    "sources_of",
]

_INDEXED = (
    "AccessManager",
    "Consortium",
    "DatasetRegistry",
    "ConsentRegistry",
    "StakeVault",
    "FederatedRounds",
    "Studies",
    "Claims",
    "Proofs",
    "Payouts",
    "ModelMarket",
)
_APART = frozenset(("SumRule", "DevelopmentToken"))
"""What an address book names beside the contracts that follow from its root."""


@dataclass(frozen=True)
class Deployment:
    """One wrapper per contract. `development_token` exists on development chains only."""

    client: ChainClient
    book: AddressBook
    manager: AccessManager
    consortium: Consortium
    datasets: Datasets
    consents: Consents
    rule: SumRule
    """That of the address book. What was found from its root has none: each study names its own."""
    vault: Vault
    rounds: Rounds
    studies: Studies
    claims: Claims
    proofs: Proofs
    payouts: Payouts
    market: Market
    development_token: Token | None

    def token(self, address: Address) -> Token:
        """Any ERC-20, by its address."""
        return Token(self.client, address)

    @property
    def first(self) -> int:
        """The block from which on its events are read."""
        return min(source.first for source in self.sources())

    def sources(self) -> list[Source]:
        """The contracts whose events an index keeps."""
        return sources_of(self.book)

    @property
    def addresses(self) -> list[Address]:
        """Of the contracts whose events count."""
        return [source.address for source in self.sources()]

    def check_start(self) -> None:
        """Whether none of them stood before the block from which on their events are read. Raises `WrongChain`, `NotProved`."""
        check_start(self.client, self.addresses, self.first - 1)


def load(client: ChainClient, state: Path, addresses: Path | None = None) -> Deployment:
    """The deployment on the client's chain, by the address book `addresses` or the one that is found; raises
    `WrongChain` when there is none, no code at its addresses, or contracts that do not belong together."""
    found = find_book(client, state) if addresses is None else _given(client, addresses)
    if found is None:
        raise WrongChain(
            f"Nothing is known of MedFed contracts on chain {client.chain_id} "
            f"(genesis 0x{client.genesis_hash.hex()[:8]}…); "
            "deploy them, point the settings at the right RPC, or name the address book with MEDFED_ADDRESSES."
        )
    path, book = found
    for name, placed in book.contracts.items():
        if not client.code(placed.address):
            raise WrongChain(
                f"There is no contract {name} at {placed.address} on chain {client.chain_id}, although {path} says so; "
                "the RPC may lag behind or serve another chain."
            )
    _check_book(client, path, book)
    return deployment_of(client, book)


def _check_book(client: ChainClient, path: Path, book: AddressBook) -> None:
    """Raise `WrongChain` unless the book names the contracts that follow from its `FederatedRounds`."""
    for name, address in follow(client, book.contracts[ROOT].address).items():
        placed = book.contracts.get(name)
        if placed is None or placed.address.lower() != address.lower():
            told = "no address" if placed is None else placed.address
            raise WrongChain(
                f"{path} names {told} as {name}, the {ROOT} at {book.contracts[ROOT].address} {address}; "
                "restore the address book, or deploy again."
            )
    for name in _APART & book.contracts.keys():
        check_code(client, name, book.contracts[name].address)


def _given(client: ChainClient, path: Path) -> tuple[Path, AddressBook]:
    book = read_book(path)
    if (book.chain_id, book.genesis) != (client.chain_id, "0x" + client.genesis_hash.hex()):
        raise WrongChain(
            f"The address book {path} is for chain {book.chain_id} with genesis {book.genesis[:10]}…, "
            f"{client.label} is chain {client.chain_id} with 0x{client.genesis_hash.hex()[:8]}…; correct one of them."
        )
    return path, book


def deployment_of(client: ChainClient, book: AddressBook) -> Deployment:
    """The wrappers for the addresses in `book`."""
    at = {name: placed.address for name, placed in book.contracts.items()}
    token = at.get("DevelopmentToken")
    return Deployment(
        client=client,
        book=book,
        manager=AccessManager(client, at["AccessManager"]),
        consortium=Consortium(client, at["Consortium"]),
        datasets=Datasets(client, at["DatasetRegistry"]),
        consents=Consents(client, at["ConsentRegistry"]),
        rule=SumRule(client, at.get("SumRule", NO_ACCOUNT)),
        vault=Vault(client, at["StakeVault"]),
        rounds=Rounds(client, at["FederatedRounds"]),
        studies=Studies(client, at["Studies"]),
        claims=Claims(client, at["Claims"]),
        proofs=Proofs(client, at["Proofs"]),
        payouts=Payouts(client, at["Payouts"]),
        market=Market(client, at["ModelMarket"]),
        development_token=None if token is None else Token(client, token),
    )


def found_from(client: ChainClient, root: Address, first: int, block: BlockLike = None) -> Deployment:
    """The deployment of the `FederatedRounds` at `root`, as the chain says at `block`; none of its events is before block
    `first`. Nothing else of its address book is known. Raises what `follow` raises."""
    book = AddressBook(
        chain_id=client.chain_id,
        genesis=f"0x{client.genesis_hash.hex()}",
        network="",
        deployer=NO_ACCOUNT,
        admin=NO_ACCOUNT,
        version=__version__,
        compiler=compiler_version(),
        block=first,
        contracts={name: Placed(address, first, ()) for name, address in follow(client, root, block).items()},
        parameters={},
    )
    return deployment_of(client, book)


def open_index(deployment: Deployment, path: Path | None, *, confirmations: int | None = None) -> EventIndex:
    """The event index of a deployment. On a development chain every block counts as final unless told otherwise."""
    if confirmations is None and deployment.client.is_development:
        confirmations = 0
    return EventIndex(path, deployment.client, deployment.sources(), confirmations=confirmations)


def sources_of(book: AddressBook) -> list[Source]:
    """The contracts of a book whose events an index keeps."""
    placed = book.contracts
    return [Source(placed[name].address, events_of(name), placed[name].block) for name in _INDEXED]


def compiler_version() -> str:
    """The compiler that made the contracts of this version."""
    return artifact("FederatedRounds").compiler
