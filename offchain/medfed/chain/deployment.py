"""The contracts of one deployment, ready to use. `medfed.chain.deployer` makes deployments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medfed.chain.addresses import AddressBook, find_book, read_book
from medfed.chain.artifacts import artifact
from medfed.chain.client import ChainClient
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
from medfed.chain.contracts.rounds import Wiring
from medfed.chain.index import EventIndex, Source
from medfed.errors import ContractRevert, ProtocolError, WrongChain
from medfed.types import Address

__all__ = ["Deployment", "compiler_version", "deployment_of", "load", "open_index", "sources_of"]

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
    vault: Vault
    rounds: Rounds
    studies: Studies
    claims: Claims
    proofs: Proofs
    payouts: Payouts
    market: Market
    development_token: Token | None

    @property
    def wiring(self) -> Wiring:
        """The contracts beside `FederatedRounds`, as the address book has them: what that must name as well."""
        return Wiring(
            consortium=self.consortium.address,
            datasets=self.datasets.address,
            consents=self.consents.address,
            vault=self.vault.address,
            studies=self.studies.address,
            claims=self.claims.address,
            proofs=self.proofs.address,
            payouts=self.payouts.address,
            market=self.market.address,
        )

    def token(self, address: Address) -> Token:
        """Any ERC-20, by its address."""
        return Token(self.client, address)

    def sources(self) -> list[Source]:
        """The contracts whose events an index keeps."""
        return sources_of(self.book)


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
    deployment = deployment_of(client, book)
    if _named(deployment) != deployment.wiring:
        raise WrongChain(
            f"{path} names other contracts than the FederatedRounds at {deployment.rounds.address} does; "
            "they are no deployment of this version: restore the address book, or deploy again."
        )
    return deployment


def _named(deployment: Deployment) -> Wiring | None:
    """What the rounds contract says of the others; None when it is a contract that says nothing of the kind."""
    try:
        return deployment.rounds.deployment()
    except (ContractRevert, ProtocolError):
        return None


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
        rule=SumRule(client, at["SumRule"]),
        vault=Vault(client, at["StakeVault"]),
        rounds=Rounds(client, at["FederatedRounds"]),
        studies=Studies(client, at["Studies"]),
        claims=Claims(client, at["Claims"]),
        proofs=Proofs(client, at["Proofs"]),
        payouts=Payouts(client, at["Payouts"]),
        market=Market(client, at["ModelMarket"]),
        development_token=None if token is None else Token(client, token),
    )


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
