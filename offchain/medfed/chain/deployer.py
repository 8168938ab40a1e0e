"""Puts the contracts on a chain, wires them, announces another admin. Killed at any point and run again, it goes on.

1. Look for a finished deployment of this chain; where there is one, only what was never done to it is done: what its
   administration has taken back or moved since stays as it is.
2. Otherwise note the deployer's nonce: it fixes the address of every contract to come, so that two contracts may know
   each other. The note is on disk before the first transaction.
3. Create each contract that has no code yet. A creation signed before a kill is found by its name in the sender's
   journal, so none is made twice.
4. Wire: which role calls what, who holds which role, which tokens are taken. Each step looks at the chain first.
5. Give another admin the roles, too. It takes them over itself, in a run of its own.
6. Write the address book, then drop the note.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medfed import __version__
from medfed.chain.addresses import AddressBook, Placed, book_path, find_book, write_json
from medfed.chain.artifacts import artifact, resource_folder
from medfed.chain.calls import Call, create_address
from medfed.chain.client import ChainClient
from medfed.chain.contracts import AccessManager, Role, Vault
from medfed.chain.contracts.base import interface_of
from medfed.chain.params import Parameters
from medfed.chain.past import Past
from medfed.chain.roles import (
    RESTRICTED,
    announcing,
    check_holders,
    named_holders,
    role_name,
    taking_over,
    wanted_holders,
    withdrawing,
)
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
    """What to deploy. `admin` is who is to take the admin's roles over; None leaves that as it is. With `accept` the sender takes
    them over.

    `allow_plain` accepts a chain that is not for development although updates are published in the clear there.
    `state` is the state directory.
    """

    parameters: Parameters
    state: Path
    admin: Address | None = None
    allow_plain: bool = False
    accept: bool = False


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
    left: tuple[str, ...] = ()
    """What is not as the parameters have it and was left alone, as somebody has changed it since."""
    take_over: Call | None = None
    """What an announced admin has to send, by this program or by any other means."""

    def told(self) -> list[str]:
        """The same in sentences."""
        count = len(self.steps)
        lines = [f"{count} transaction{'s' * (count > 1)} sent." if count else "Nothing to do."]
        lines += [f"Left alone: {each}." for each in self.left]
        if self.take_over is not None:
            lines.append(
                f"{self.book.announced} holds the roles, too, and takes them over from {self.book.admin} with --accept and its "
                f"own key, or by sending 0x{self.take_over.data.hex()} to {self.take_over.to}. Until then nothing is lost."
            )
        return [*lines, f"The addresses are in {self.path}."]


@dataclass(frozen=True, slots=True)
class _Base:
    """What is fixed before the first transaction, and who holds the admin's roles."""

    nonce: int
    block: int
    admin: Address
    announced: Address | None = None


@dataclass(slots=True)
class _Site:
    """The addresses of one deployment and what was created by this run."""

    base: _Base
    places: dict[str, Address]
    steps: list[Step] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


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
        if self._order.accept:
            raise ConfigError("There is no deployment to take over here; bring its address book, or deploy.")
        site = self._begin()
        created = {name: self._create(site, name, at) for at, name in enumerate(self._names())}
        self._wire(site)
        self._announce(site)
        book = self._book(site, created)
        path = self._destination()
        book.write(path)
        self._note_path().unlink(missing_ok=True)
        return self._report(site, book, path)

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
        self._check_admin(self._order.admin or self._sender.address, self._places(nonce))
        return list(rehearsal._rehearse(self._sender.address, nonce))

    def _rehearse(self, deployer: Address, nonce: int) -> Iterator[Step]:
        base = _Base(0, 0, self._sender.address, self._order.admin)
        site = _Site(base, self._places(base.nonce))
        for at, name in enumerate(self._names()):
            self._create(site, name, at)
        self._wire(site)
        self._announce(site)
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
        path, own = self._note_path(), self._sender.address
        identity = {"deployer": own, "content": self._content()}
        if path.exists():
            note = json.loads(path.read_text(encoding="utf-8"))
            self._check_note(note, identity, path)
        else:
            nonce, admin = self._client.nonce(own), self._order.admin or own
            self._check_admin(admin, self._places(nonce))
            note = {**identity, "nonce": nonce, "block": self._client.head().number, "admin": admin}
            write_json(path, note)
        announced = None if note["admin"] == own else note["admin"]
        return _Site(_Base(note["nonce"], note["block"], own, announced), self._places(note["nonce"]))

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
        if self._order.admin not in (None, note.get("admin")):
            raise ConfigError(
                f"The deployment that was begun here is for the admin {note.get('admin')}; "
                "finish it without --admin, then name another one."
            )

    def _content(self) -> str:
        """A digest of what is deployed: contracts and parameters."""
        parts = [artifact(name).bytecode for name in self._names()]
        parts.append(self._order.parameters.model_dump_json().encode())
        return hashlib.sha256(b"\n".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()

    def _places(self, nonce: int) -> dict[str, Address]:
        return {
            name: create_address(self._sender.address, nonce + at) for at, name in enumerate(self._names())
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

    def _wire(self, site: _Site) -> None:
        """Do what was never done: functions without their role, roles without their holder, tokens to allow."""
        self._check_admin(site.base.admin, site.places)
        manager = AccessManager(self._client, site.places["AccessManager"])
        past = Past(self._client, site.places, site.base.block)
        calls = [*self._functions(site, manager, past), *self._grants(site, manager, past)]
        self._send_together(site, manager, "wire the roles", calls)
        tokens = list(self._tokens(site, past))
        if tokens:
            names = ", ".join(_token_name(site, token) for token in tokens)
            self._send_together(
                site, manager, f"allow {names}", list(self._allowances(site, manager, tokens))
            )

    def _functions(self, site: _Site, manager: AccessManager, past: Past) -> Iterator[Call]:
        for kind, functions, role in RESTRICTED:
            target, missing = site.places[kind.NAME], []
            for function in functions:
                selector = interface_of(kind.NAME).selector(function)
                asked = manager.target_function_role(target, selector)
                if asked == role:
                    continue
                if past.wired(target, selector):
                    site.left.append(
                        f"{kind.NAME}.{function} asks for {role_name(asked)}, as it was told to since"
                    )
                else:
                    missing.append(selector)
            if missing:
                yield manager.set_target_function_role(target, missing, role)

    def _grants(self, site: _Site, manager: AccessManager, past: Past) -> Iterator[Call]:
        named = named_holders(self._order.parameters)
        for role, holder in wanted_holders(self._order.parameters, site.base.admin).items():
            if manager.has_role(role, holder):
                continue
            # Who holds a role because nobody was named has lost it to whomever it was given since.
            if past.gave(role, holder if role in named else None):
                site.left.append(f"{holder} is not given {role.name}, which was taken back or moved since")
            else:
                yield manager.grant_role(role, holder)

    def _tokens(self, site: _Site, past: Past) -> Iterator[Address]:
        own = [site.places["DevelopmentToken"]] if "DevelopmentToken" in site.places else []
        vault = Vault(self._client, site.places["StakeVault"])
        for token in [*map(Address, self._order.parameters.tokens), *own]:
            if vault.is_allowed(token):
                continue
            if past.allowed(token):
                site.left.append(f"{_token_name(site, token)} is not allowed, as it was disallowed since")
            else:
                yield token

    def _allowances(self, site: _Site, manager: AccessManager, tokens: list[Address]) -> Iterator[Call]:
        """In the consortium's name, whose role the sender has for no longer than this transaction unless it is its own."""
        vault, own = Vault(self._client, site.places["StakeVault"]), self._sender.address
        lent = not manager.has_role(Role.CONSORTIUM, own)
        if lent:
            yield manager.grant_role(Role.CONSORTIUM, own)
        for token in tokens:
            yield manager.execute(vault.address, vault.allow_token(token, True))
        if lent:
            yield manager.renounce_role(Role.CONSORTIUM, own)

    def _send_together(self, site: _Site, manager: AccessManager, what: str, calls: list[Call]) -> None:
        """All of `calls` in one transaction, or nothing when there are none."""
        if not calls:
            return
        self._require_admin(manager, what)
        self._tell(what)
        receipt = self._sender.send(manager.multicall(calls))
        site.steps.append(Step(what, None, receipt.gas_used))

    def _require_admin(self, manager: AccessManager, what: str) -> None:
        if not manager.has_role(Role.ADMIN, self._sender.address):
            raise ConfigError(
                f"Account {self._sender.address} does not hold the admin role of this deployment, so it cannot "
                f"{what}; use the admin's key."
            )

    # -- a finished deployment -----------------------------------------------------------------------------------

    def _complete(self, path: Path, book: AddressBook) -> Report:
        """What was never done to a finished deployment, and what the order says of its admin."""
        places = {name: placed.address for name, placed in book.contracts.items()}
        missing = [name for name, address in places.items() if not self._client.code(address)]
        if missing:
            raise ConfigError(
                f"{path} tells of contracts that are not there ({', '.join(missing)}); the RPC may lag behind."
            )
        site = _Site(_Base(0, book.block, book.admin, book.announced), places)
        before = book
        self._settle(site)
        if self._order.accept:
            self._take_over(site)
        elif self._order.admin is not None:
            self._withdraw(site, self._order.admin)
        book = replace(book, admin=site.base.admin, announced=site.base.announced)
        if book != before:
            book.write(path)  # before another account is given anything, so that a kill forgets nobody
        if self._sender.address == site.base.admin:
            self._wire(site)
        if AccessManager(self._client, places["AccessManager"]).has_role(Role.ADMIN, self._sender.address):
            self._announce(site)
        return self._report(site, book, path)

    def _settle(self, site: _Site) -> None:
        """An announced admin that has taken the roles over by other means is the admin."""
        manager = AccessManager(self._client, site.places["AccessManager"])
        for account in (site.base.announced, self._order.admin):
            if account is None or manager.has_role(Role.ADMIN, site.base.admin):
                continue
            if manager.has_role(Role.ADMIN, account):
                site.base = replace(site.base, admin=account, announced=None)

    def _take_over(self, site: _Site) -> None:
        manager, own = AccessManager(self._client, site.places["AccessManager"]), self._sender.address
        old = site.base.admin
        if old == own:
            return
        if not manager.has_role(Role.ADMIN, own):
            raise ConfigError(
                f"Account {own} does not hold the admin role yet, so it can take nothing over; "
                f"let {old} announce it first, with --admin."
            )
        calls = list(taking_over(manager, (old, own), wanted_holders(self._order.parameters, own)))
        self._send_together(site, manager, f"take the roles over from {old}", calls)
        site.base = replace(site.base, admin=own, announced=None)

    def _withdraw(self, site: _Site, admin: Address) -> None:
        """Name `admin` as the one to come, or nobody where it is the present one; who was announced before holds nothing."""
        manager, base = AccessManager(self._client, site.places["AccessManager"]), site.base
        new = None if admin == base.admin else admin
        if new == base.announced:
            return
        self._require_admin(manager, f"hand it over to {admin}")
        self._check_admin(admin, site.places)
        if base.announced is not None:
            holders = wanted_holders(self._order.parameters, base.admin)
            calls = list(withdrawing(manager, base.announced, holders))
            self._send_together(site, manager, f"take the roles back from {base.announced}", calls)
        site.base = replace(base, announced=new)

    # -- another admin -------------------------------------------------------------------------------------------

    def _check_admin(self, admin: Address, places: dict[str, Address]) -> None:
        check_holders(wanted_holders(self._order.parameters, admin), places)

    def _announce(self, site: _Site) -> None:
        """Give the announced admin, where there is one, what the present one holds."""
        old, new = site.base.admin, site.base.announced
        if new is None:
            return
        manager = AccessManager(self._client, site.places["AccessManager"])
        calls = list(announcing(manager, (old, new), wanted_holders(self._order.parameters, new)))
        self._send_together(site, manager, f"give the roles to {new}, too", calls)

    def _report(self, site: _Site, book: AddressBook, path: Path) -> Report:
        call, manager = None, AccessManager(self._client, site.places["AccessManager"])
        if book.announced is not None:
            holders = wanted_holders(self._order.parameters, book.announced)
            call = manager.multicall(list(taking_over(manager, (book.admin, book.announced), holders)))
        return Report(tuple(site.steps), book, path, tuple(site.left), call)

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
            announced=site.base.announced,
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


def _token_name(site: _Site, token: Address) -> str:
    return "the development token" if token == site.places.get("DevelopmentToken") else f"token {token}"
