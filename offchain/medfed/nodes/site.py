"""A hospital's own place: its key, its files, its policy, its view of the federation. Every part of its work has it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from medfed.chain.calls import Call
from medfed.chain.clock import ChainClock
from medfed.chain.coin import Coin
from medfed.chain.contracts import check_rule
from medfed.chain.sender import Sender
from medfed.config import HospitalConfig
from medfed.data.csv_source import load_csv
from medfed.data.patients import load_register
from medfed.data.private_file import load_or_create_secret
from medfed.errors import PolicyRefusal
from medfed.learning.models import Model
from medfed.nodes.journal import AuditLog
from medfed.nodes.notes import Notes
from medfed.nodes.patience import patient
from medfed.nodes.policy import check_policy, check_sponsor, read_approvals
from medfed.protocol.documents import StudySpec
from medfed.rounds.cohort import Holdings
from medfed.rounds.federation import Federation
from medfed.rounds.history import StudyHistory
from medfed.rounds.recompute import RoundPlace
from medfed.rounds.study import fetch_model, fetch_spec, model_cid_of
from medfed.types import Address, Cid, HospitalId, RoundNumber, StudyId

__all__ = ["APPROVALS", "AUDIT", "INDEX", "SENT", "WORK", "Site"]

APPROVALS, AUDIT, INDEX, SENT, WORK = "approvals.json", "audit.jsonl", "index.sqlite", "sent", "work"
"""What lies in a hospital's home."""


class Site:
    """`home` holds what must survive a kill; `sender` signs with the operator's key. Making one writes nothing."""

    def __init__(self, federation: Federation, sender: Sender, config: HospitalConfig, home: Path) -> None:
        self.name = federation.name
        self.client = federation.client
        self.contracts = federation.contracts
        self.index = federation.index
        self.census = federation.census
        self.store = patient(federation.store)
        self.sender = sender
        self.config = config
        self.home = home
        self.clock = ChainClock(federation.client)
        self.notes = Notes(AuditLog(home / AUDIT), config.name)
        self._specs: dict[StudyId, StudySpec] = {}
        self._models: dict[Cid, Model] = {}

    @property
    def work(self) -> Path:
        """Where this chain's and these contracts' work lies."""
        return self.home / WORK / self.name

    @cached_property
    def id(self) -> HospitalId:
        """The hospital that the operator's key serves. Raises `PolicyRefusal` when it serves none."""
        found = self.contracts.consortium.hospital_of(self.sender.address)
        if found is None:
            raise PolicyRefusal(
                f"The key {self.sender.address} is no admitted hospital's operator; ask the consortium to admit it."
            )
        return found

    @cached_property
    def holdings(self) -> Holdings:
        """Records, register and secret, read when first needed. Raises `DataError`, `ConfigError`."""
        return Holdings(
            load_csv(self.config.records, label=self.config.label, date=self.config.date_column),
            load_register(self.config.patients),
            load_or_create_secret(self.config.secret),
        )

    def spec(self, study: StudyHistory) -> StudySpec:
        """A study's spec. Raises `ContentMissing` while nobody has it, `ProtocolError`, `IntegrityError`."""
        if study.study not in self._specs:
            spec = fetch_spec(self.store, study)
            check_rule(self.client, spec.rule, study.terms.rule)
            self._specs[study.study] = spec
        return self._specs[study.study]

    def model(self, study: StudyHistory, number: RoundNumber) -> Model:
        """The model that a round starts from. Raises as `spec`."""
        spec = self.spec(study)
        cid = model_cid_of(self.index, study, spec, number)
        if cid not in self._models:
            self.keep_model(cid, fetch_model(self.store, spec, cid))
        return self._models[cid]

    def keep_model(self, cid: Cid, model: Model) -> None:
        """Remember one model, the newest: it is what the next round starts from."""
        self._models = {cid: model}

    def place(self, study: StudyHistory, number: RoundNumber) -> RoundPlace:
        """Which round of which study, as headers and leaves name it."""
        rounds = self.contracts.rounds.address
        return RoundPlace(self.client.chain_id, rounds, study.study, number, self.spec(study))

    def check(self, study: StudyHistory) -> StudySpec:
        """The study's spec, if the hospital may take part at all. Raises `PolicyRefusal`, `DataError`, and as `spec`.

        A stranger's study is refused before its bytes are asked for.
        """
        check_sponsor(self.config.policy, study)
        spec = self.spec(study)
        check_policy(self.config.policy, study, spec, read_approvals(self.home / APPROVALS))
        self.holdings.dataset.matrix(spec.columns)
        return spec

    def bond(self, study: StudyHistory) -> int:
        """What a claim of a round's result would take, in smallest units; 0 where the hospital makes none."""
        terms, policy = study.terms, self.config.policy
        most = policy.largest_stake if policy.largest_bond is None else policy.largest_bond
        return terms.bond if terms.max_attempts and terms.bond <= most else 0

    def coin(self, token: Address) -> Coin:
        """How amounts of a token are written."""
        return self.contracts.token(token).coin()

    def short_of(self, token: Address, amount: int) -> str:
        """Why the operator cannot lock so many of the hospital's tokens, and what to do about it; empty when it can."""
        account, vault = Address(self.id), self.contracts.vault
        free, allowed = vault.balance(account, token).free, vault.allowance(account, token)
        if free >= amount and allowed.left >= amount:
            return ""
        coin, development = self.coin(token), self.contracts.development_token
        own = development is not None and development.address == token
        key = "--keystore ADMIN" + ("" if own else f" --token {token}")
        if free < amount:
            more = coin.number(amount - free)
            return f"{coin.text(free)} are free in the vault: `medfed vault deposit {more} {key}`."
        most = coin.number(allowed.used + amount)
        return f"its daemon may lock {coin.text(allowed.left)} more: `medfed vault allow {most} {key}`."

    def send(self, what: str, call: Call, **facts: Any) -> None:
        """Put a call on the chain and write down that it was done."""
        receipt = self.sender.send(call)
        self.notes.note(what, **facts, transaction="0x" + receipt.tx_hash.hex(), gas=receipt.gas_used)
