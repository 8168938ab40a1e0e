"""Puts the contracts on a chain, wires them, hands the roles over. Killed at any point and run again, it goes on.

1. Look for a finished deployment of this chain; where there is one, only what its wiring lacks is done.
2. Otherwise note the deployer's nonce: it fixes the address of every contract to come, so that two contracts may know
   each other. The note is on disk before the first transaction.
3. Create each contract that has no code yet. A creation signed before a kill is found by its name in the sender's
   journal, so none is made twice.
4. Wire: which role calls what, who holds which role, which tokens are taken. Each step looks at the chain first.
5. Write the address book, then drop the note.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medfed import __version__
from medfed.chain.addresses import AddressBook, Placed, book_path, find_book, write_atomically
from medfed.chain.artifacts import artifact, resource_folder
from medfed.chain.calls import Call, Receipt, create_address
from medfed.chain.client import ChainClient
from medfed.chain.contracts import AccessManager, Role, Vault
from medfed.chain.contracts.base import interface_of
from medfed.chain.params import Parameters
from medfed.chain.roles import RESTRICTED, wanted_holders
from medfed.chain.sender import Sender
from medfed.errors import ConfigError
from medfed.types import Address

__all__ = [
    "Deployer",
    "Order",
    "Report",
    "Step",
    "arguments_of",
    "creation",
    "names_for",
]

_NAMES = (
    "AccessManager",
    "Consortium",
    "DatasetRegistry",
    "ConsentRegistry",
    "SumRule",
    "StakeVault",
    "FederatedRounds",
    "Studies",
    "Claims",
    "Proofs",
    "Payouts",
    "ModelMarket",
)


@dataclass(frozen=True, slots=True)
class Order:
    """What to deploy: `admin` None leaves the roles as they are, or with the deployer where there is no deployment yet.

    `allow_plain` accepts a chain that is not for development although updates are published in the clear there.
    `state` is the state directory.
    """

    parameters: Parameters
    state: Path
    admin: Address | None = None
    allow_plain: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of a deployment: what it does, the address it creates (if any), its gas."""

    what: str
    address: Address | None
    gas: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did: the steps it sent (none on a finished deployment), the book and where it lies."""

    steps: tuple[Step, ...]
    book: AddressBook
    path: Path


@dataclass(frozen=True, slots=True)
class _Base:
    """What is fixed before the first transaction."""

    nonce: int
    block: int
    admin: Address


@dataclass(slots=True)
class _Site:
    """The addresses of one deployment and what was created by this run."""

    base: _Base
    places: dict[str, Address]
    steps: list[Step] = field(default_factory=list)


class Deployer:
    """Carries out one `Order` with one sender. `tell` hears of each step before it is sent."""

    def __init__(self, order: Order, sender: Sender, tell: Callable[[str], object] = lambda _: None) -> None:
        self._order = order
        self._sender = sender
        self._client: ChainClient = sender.client
        self._tell = tell

    # -- the run -------------------------------------------------------------------------------------------------

    def run(self) -> Report:
        """Deploy, or complete what is there. Raises `ConfigError`, `WrongChain` or what sending raises."""
        self._check()
        self._sender.recover()
        found = find_book(self._client, self._order.state)
        if found is not None:
            return self._complete(*found)
        site = self._begin()
        created = {name: self._create(site, name, at) for at, name in enumerate(self._names())}
        self._wire(site)
        book = self._book(site, created)
        path = self._destination()
        book.write(path)
        self._note_path().unlink(missing_ok=True)
        return Report(tuple(site.steps), book, path)

    def plan(self) -> list[Step]:
        """Every transaction that `run` would send, with its gas, measured by a rehearsal on an embedded chain."""
        self._check()
        if find_book(self._client, self._order.state) is not None or self._note_path().exists():
            raise ConfigError(
                "There is a deployment on this chain already, finished or not; run without --dry-run."
            )
        from medfed.chain.embedded import EmbeddedChain
        from medfed.chain.keys import new_account

        chain, account = EmbeddedChain(), new_account()
        chain.set_balance(account.address, 10**24)
        rehearsal = Deployer(self._order, Sender(chain, account), self._tell)
        nonce = self._client.nonce(self._sender.address)
        return list(rehearsal._rehearse(self._sender.address, nonce))

    def _rehearse(self, deployer: Address, nonce: int) -> Iterator[Step]:
        base = _Base(0, 0, self._order.admin or self._sender.address)
        site = _Site(base, self._places(base))
        for at, name in enumerate(self._names()):
            self._create(site, name, at)
        self._wire(site)
        for at, step in enumerate(site.steps):
            yield Step(step.what, create_address(deployer, nonce + at) if step.address else None, step.gas)

    def _check(self) -> None:
        parameters = self._order.parameters
        parameters.require(self._client)
        if not self._client.is_development and not self._order.allow_plain:
            raise ConfigError(
                f"{self._client.label} is not a development chain. Updates are published in the clear and can leak "
                "records of patients; deploy here only with --allow-plain, when every hospital accepts that."
            )

    def _names(self) -> tuple[str, ...]:
        return names_for(self._order.parameters)

    # -- creating ------------------------------------------------------------------------------------------------

    def _begin(self) -> _Site:
        """The deployment's fixed points: from the note of an earlier run, or noted now."""
        path = self._note_path()
        identity = {"deployer": self._sender.address, "content": self._content()}
        if path.exists():
            note = json.loads(path.read_text(encoding="utf-8"))
            self._check_note(note, identity, path)
        else:
            note = {
                **identity,
                "nonce": self._client.nonce(self._sender.address),
                "block": self._client.head().number,
                "admin": self._order.admin or self._sender.address,
            }
            write_atomically(path, note)
        base = _Base(note["nonce"], note["block"], self._order.admin or note["admin"])
        return _Site(base, self._places(base))

    def _check_note(self, note: dict[str, Any], identity: dict[str, Any], path: Path) -> None:
        if note.get("deployer") != identity["deployer"]:
            raise ConfigError(
                f"Account {note.get('deployer')} began a deployment here; finish it with that key ({path})."
            )
        if note.get("content") != identity["content"]:
            raise ConfigError(
                "A deployment with other parameters or contracts was begun here; "
                f"finish it with those, or remove {path}."
            )

    def _content(self) -> str:
        """A digest of what is deployed: contracts and parameters."""
        parts = [artifact(name).bytecode for name in self._names()]
        parts.append(self._order.parameters.model_dump_json().encode())
        return hashlib.sha256(b"\n".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()

    def _places(self, base: _Base) -> dict[str, Address]:
        return {
            name: create_address(self._sender.address, base.nonce + at)
            for at, name in enumerate(self._names())
        }

    def _create(self, site: _Site, name: str, at: int) -> Placed:
        """Contract number `at`, created now unless it stands already."""
        address, nonce = site.places[name], site.base.nonce + at
        arguments = arguments_of(name, site.places, self._order.parameters, self._sender.address)
        intent = f"deployment at nonce {site.base.nonce}: {name}"
        if self._client.code(address):
            receipt = self._sender.outcome(intent)
            return Placed(address, site.base.block if receipt is None else receipt.block, arguments)
        if self._client.nonce(self._sender.address) != nonce:
            raise ConfigError(
                f"Account {self._sender.address} sent something else in the middle of the deployment, so {name} can no "
                f"longer be created where the others expect it; remove {self._note_path()} and deploy anew."
            )
        self._tell(f"create {name} at {address}")
        receipt = self._sender.send(creation(name, arguments), intent=intent)
        site.steps.append(Step(f"create {name}", address, receipt.gas_used))
        return Placed(address, receipt.block, arguments)

    # -- wiring --------------------------------------------------------------------------------------------------

    def _complete(self, path: Path, book: AddressBook) -> Report:
        """What a finished deployment lacks of the order: nothing, unless roles are to be handed over."""
        places = {name: placed.address for name, placed in book.contracts.items()}
        missing = [name for name, address in places.items() if not self._client.code(address)]
        if missing:
            raise ConfigError(
                f"{path} tells of contracts that are not there ({', '.join(missing)}); the RPC may lag behind."
            )
        site = _Site(_Base(0, book.block, self._order.admin or book.admin), places)
        if site.base.admin != book.admin or self._sender.address == book.admin:
            self._wire(site)
        if site.base.admin != book.admin:
            book = _with_admin(book, site.base.admin)
            book.write(path)
        return Report(tuple(site.steps), book, path)

    def _wire(self, site: _Site) -> None:
        manager = AccessManager(self._client, site.places["AccessManager"])
        vault = Vault(self._client, site.places["StakeVault"])
        tokens = [token for token in self._tokens(site) if not vault.is_allowed(token)]
        holders = wanted_holders(self._order.parameters, site.base.admin)
        self._send_together(
            site, manager, "wire the roles", list(self._grants(site, manager, holders, bool(tokens)))
        )
        for token in tokens:
            what = (
                "the development token" if token == site.places.get("DevelopmentToken") else f"token {token}"
            )
            self._send(site, f"allow {what}", vault.allow_token(token, True))
        self._send_together(site, manager, "hand the roles over", list(self._leavings(manager, holders)))

    def _tokens(self, site: _Site) -> list[Address]:
        own = [site.places["DevelopmentToken"]] if "DevelopmentToken" in site.places else []
        return [*map(Address, self._order.parameters.tokens), *own]

    def _grants(
        self, site: _Site, manager: AccessManager, holders: dict[Role, Address], tokens: bool
    ) -> Iterator[Call]:
        """What is missing: functions without their role, holders without theirs, the deployer's own for `tokens`."""
        for kind, functions, role in RESTRICTED:
            target = site.places[kind.NAME]
            selectors = [interface_of(kind.NAME).selector(function) for function in functions]
            if any(manager.target_function_role(target, selector) != role for selector in selectors):
                yield manager.set_target_function_role(target, selectors, role)
        for role, holder in holders.items():
            if not manager.has_role(role, holder):
                yield manager.grant_role(role, holder)
        own = self._sender.address
        if tokens and holders[Role.CONSORTIUM] != own and not manager.has_role(Role.CONSORTIUM, own):
            yield manager.grant_role(Role.CONSORTIUM, own)

    def _leavings(self, manager: AccessManager, holders: dict[Role, Address]) -> Iterator[Call]:
        """The deployer's roles that belong to others now; ADMIN last, as it is the one that could mend the rest."""
        own = self._sender.address
        for role in (Role.PAUSER, Role.CONSORTIUM, Role.ADMIN):
            if holders[role] != own and manager.has_role(role, own):
                yield manager.renounce_role(role, own)

    def _send_together(self, site: _Site, manager: AccessManager, what: str, calls: list[Call]) -> None:
        """All of `calls` in one transaction, or nothing when there are none."""
        if not calls:
            return
        if not manager.has_role(Role.ADMIN, self._sender.address):
            raise ConfigError(
                f"Account {self._sender.address} does not hold the admin role of this deployment, so it cannot "
                f"{what}; use the admin's key."
            )
        self._send(site, what, manager.multicall(calls))

    def _send(self, site: _Site, what: str, call: Call) -> Receipt:
        self._tell(what)
        receipt = self._sender.send(call)
        site.steps.append(Step(what, None, receipt.gas_used))
        return receipt

    # -- the book ------------------------------------------------------------------------------------------------

    def _note_path(self) -> Path:
        return book_path(self._client, self._order.state).with_suffix(".unfinished.json")

    def _destination(self) -> Path:
        """Known networks are written down in the repository, where this is a checkout of it."""
        parameters = self._order.parameters
        shipped = resource_folder("deploy_addresses")
        known = bool(parameters.chain_ids) and not parameters.development
        if known and shipped.name == "addresses":
            return shipped / f"{parameters.network}.json"
        return book_path(self._client, self._order.state)

    def _book(self, site: _Site, created: dict[str, Placed]) -> AddressBook:
        return AddressBook(
            chain_id=self._client.chain_id,
            genesis="0x" + self._client.genesis_hash.hex(),
            network=self._order.parameters.network,
            deployer=self._sender.address,
            admin=site.base.admin,
            version=__version__,
            compiler=artifact("FederatedRounds").compiler,
            block=min(placed.block for placed in created.values()),
            contracts=created,
            parameters=self._order.parameters.model_dump(mode="json"),
        )


def names_for(parameters: Parameters) -> tuple[str, ...]:
    """The contracts in the order of their creation; the development token only where it does no harm."""
    return (*_NAMES, "DevelopmentToken") if parameters.development else _NAMES


def arguments_of(
    name: str, places: dict[str, Address], parameters: Parameters, deployer: Address
) -> tuple[Any, ...]:
    """The constructor arguments of contract `name`, by the names of its parameters."""
    wiring = {
        "consortium": places["Consortium"],
        "datasets": places["DatasetRegistry"],
        "consents": places["ConsentRegistry"],
        "vault": places["StakeVault"],
        "studies": places["Studies"],
        "claims": places["Claims"],
        "proofs": places["Proofs"],
        "payouts": places["Payouts"],
        "market": places["ModelMarket"],
    }
    values: dict[str, Any] = {
        **wiring,
        "initialAdmin": deployer,
        "authority": places["AccessManager"],
        "rounds": places["FederatedRounds"],
        "challengerBps": parameters.vault.challenger_bps,
        "minPhaseSeconds": parameters.studies.min_phase_seconds,
        "minDisputeSeconds": parameters.studies.min_dispute_seconds,
        "slashBps": parameters.studies.slash_bps,
    }
    inputs = interface_of(name).constructor_inputs()
    return tuple(wiring if item["type"] == "tuple" else values[item["name"]] for item in inputs)


def creation(name: str, arguments: tuple[Any, ...]) -> Call:
    """The transaction that creates contract `name`."""
    data = artifact(name).bytecode + interface_of(name).constructor(*arguments)
    return Call(None, data, label=f"creation of {name}")


def _with_admin(book: AddressBook, admin: Address) -> AddressBook:
    return replace(book, admin=admin)
