"""The watchtower: follows every study, recomputes every round from chain and store, proves each lie once, tells people.

Needs no stake and no hospital's key, only an account with gas money. All its state follows from chain and store, so that
it may be started late, or after a crash, and still catches everything inside its window.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from medfed.chain.calls import Call
from medfed.chain.clock import ChainClock
from medfed.chain.contracts.disputes import AttemptState
from medfed.chain.sender import Sender
from medfed.errors import (
    ContentMissing,
    ContractRevert,
    DataError,
    IntegrityError,
    ProtocolError,
    SpecError,
    Transient,
)
from medfed.log import get_logger
from medfed.nodes.alerts import Alert, Alerts
from medfed.nodes.health import Health
from medfed.nodes.lookout import Finding, Lookout
from medfed.nodes.patience import patient
from medfed.rounds.contests import read_contest, unsettled_rounds
from medfed.rounds.disputes import Claim, ContestBook
from medfed.rounds.federation import Federation
from medfed.rounds.history import RoundHistory, StudyHistory, read_round, read_study, study_ids
from medfed.rounds.proofs import challenge
from medfed.types import StudyId

__all__ = ["Watchtower"]

_EVERY_SECONDS = 60.0
_WEI = 10**18
_LOW_ETHER = 0.05
_STUDY_FAULTS = (ProtocolError, SpecError, DataError, IntegrityError, ContentMissing)
# Somebody else was first, or it is too late: either way nothing is left to do.
_OVERTAKEN = frozenset(
    {
        "AlreadyRefuted",
        "AlreadyStruck",
        "AttemptOver",
        "BondLocked",
        "ClaimWindowClosed",
        "DisputeClosed",
        "NoAttemptPending",
        "NotFinal",
        "NothingAtStake",
        "WrongPhase",
    }
)


class Watchtower:
    """Challenges what it can prove, with `sender`. With `objects` it also objects, against a bond from its account's free
    balance in the vault, to pending claims that are wrong and cannot be proved wrong; the bond comes back unless the
    very claim becomes final."""

    def __init__(
        self,
        federation: Federation,
        sender: Sender,
        *,
        objects: bool = False,
        health: Health | None = None,
        alerts: Alerts | None = None,
    ) -> None:
        self._fed = Federation(
            federation.client, federation.contracts, patient(federation.store), federation.index
        )
        self._sender = sender
        self._objects = objects
        self._health = health or Health()
        self._alerts = alerts or Alerts(self._health)
        self._clock = ChainClock(federation.client)
        self._log = get_logger(watchtower=sender.address)
        self._lookout = Lookout(self._fed)
        self._over: set[StudyId] = set()
        self._answered: set[tuple[object, ...]] = set()
        self._told: set[tuple[object, ...]] = set()
        self._looked: float | None = None

    def execute(self) -> bool:
        """Look at all studies at the newest final block, and answer what is wrong. Returns whether bytes are awaited."""
        head = self._clock.see(self._fed.sync())
        self._health.head(head)
        self._watch_money()
        now, faults = self._clock.estimate(head), 0
        try:
            for number in study_ids(self._fed.index):
                if number not in self._over:
                    study = read_study(self._fed.index, number)
                    with self._contained(study) as fault:
                        self._study(study, now)
                    faults += len(fault)
        finally:
            self._alerts.deliver()
        self._health.counts(awaited=len(self._lookout.awaited), faults=faults)
        return bool(self._lookout.awaited)

    def _study(self, study: StudyHistory, now: int) -> None:
        for finding in self._lookout.look(study, now):
            self._answer(finding)
        waits = self._settle(study, now)
        if self._lookout.is_past(study) and not waits:
            self._over.add(study.study)

    # -- answering ---------------------------------------------------------------------------------------------------

    def _answer(self, finding: Finding) -> None:
        """Prove it or object to it, once, and tell people, once."""
        key = (finding.place.study, finding.place.number, finding.digest, finding.kind)
        if key in self._answered:
            return
        try:
            done = self._act(finding)
        except Transient as exc:  # tried again by the next cycle
            self._tell(finding, key, f"not sent: {exc}")
            raise
        self._answered.add(key)
        self._tell(finding, key, done)

    def _act(self, finding: Finding) -> str:
        disputes, place = self._fed.contracts.disputes, finding.place
        if finding.proof is not None:
            return self._send("challenge", challenge(disputes, place, finding.proof))
        if not finding.pending:
            return "nothing: no contract can be shown it"
        if not self._objects:
            return "nothing: this watchtower does not object"
        free = self._fed.contracts.vault.balance(self._sender.address, self._terms(finding)["token"]).free
        bond = self._terms(finding)["bond"]
        if free < bond:
            return f"nothing: an objection locks {bond}, and {free} are free in the vault"
        return self._send("object", disputes.object(place.study, place.number))

    def _terms(self, finding: Finding) -> Mapping[str, Any]:
        return read_study(self._fed.index, finding.place.study).terms

    def _send(self, what: str, call: Call) -> str:
        """What came of it, in words."""
        try:
            receipt = self._sender.send(call)
        except ContractRevert as exc:
            if exc.name in _OVERTAKEN:
                return f"{what}: somebody else was first, or its time is over ({exc.name})"
            return f"{what} refused: {exc}"
        self._log.info(what, transaction="0x" + receipt.tx_hash.hex(), gas=receipt.gas_used)
        return f"{what}: transaction 0x{receipt.tx_hash.hex()}"

    def _tell(self, finding: Finding, key: tuple[object, ...], done: str) -> None:
        if key in self._told:
            return
        self._told.add(key)
        place = finding.place
        self._alerts.tell(
            Alert(
                finding.kind,
                place.study,
                place.number,
                finding.what,
                finding.reason,
                done,
                place.chain_id,
                place.contract,
            )
        )

    # -- its own money -----------------------------------------------------------------------------------------------

    def _settle(self, study: StudyHistory, now: int) -> bool:
        """Fetch the share of what it proved, and its bonds; returns whether some of that is still to come."""
        waits = False
        for number in unsettled_rounds(self._fed.index, study):
            history = read_round(self._fed.index, study.study, number)
            book = read_contest(self._fed.index, study, history)
            for attempt, claim in enumerate(book.claims):
                if claim.state is AttemptState.SETTLED or not self._concerns(claim):
                    continue
                waits = True
                if _is_due(study, history, book, claim, now):
                    final = history.final_hash or bytes(32)
                    self._send(
                        "settle", self._fed.contracts.disputes.settle(study.study, number, attempt, final)
                    )
        return waits

    def _concerns(self, claim: Claim) -> bool:
        return self._sender.address in (claim.challenger, claim.objector)

    def _watch_money(self) -> None:
        if self._looked is not None and time.monotonic() - self._looked < _EVERY_SECONDS:
            return
        self._looked = time.monotonic()
        ether = self._fed.client.balance(self._sender.address) / _WEI
        self._health.counts(ether=ether, drift=self._clock.drift())
        if ether < _LOW_ETHER:
            self._log.warning("gas money runs out", account=self._sender.address, ether=round(ether, 6))

    # -- faults ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _contained(self, study: StudyHistory) -> Iterator[list[str]]:
        """A study that cannot be followed is told once, and stops no other."""
        faults: list[str] = []
        try:
            yield faults
        except _STUDY_FAULTS as exc:
            faults.append(str(exc))
            key = (study.study, str(exc))
            if key not in self._told:
                self._told.add(key)
                chain, contract = self._fed.client.chain_id, self._fed.contracts.rounds.address
                self._alerts.tell(
                    Alert("fault", study.study, 0, "the study", str(exc), "nothing", chain, contract)
                )


def _is_due(study: StudyHistory, history: RoundHistory, book: ContestBook, claim: Claim, now: int) -> bool:
    if claim.refuted or claim.era != book.era or history.void:
        return True
    return bool(history.final_at) and now >= history.final_at + study.terms["dispute_seconds"]
