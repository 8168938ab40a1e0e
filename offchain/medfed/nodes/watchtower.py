"""The watchtower: follows every study, recomputes every round from chain and store, proves each lie once, tells people.

Needs no stake and no hospital's key, only an account with gas money. All its state follows from chain and store, so that
it may be started late, or after a crash, and still catches everything inside its window.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from medfed.chain.calls import Call
from medfed.chain.clock import ChainClock
from medfed.chain.contracts.claims import AttemptState
from medfed.chain.sender import Sender
from medfed.errors import (
    ContentMissing,
    ContractRevert,
    DataError,
    IntegrityError,
    ProtocolError,
    SpecError,
    TransactionStuck,
    Transient,
)
from medfed.log import get_logger
from medfed.nodes.alerts import Alert, Alerts
from medfed.nodes.health import Health
from medfed.nodes.lookout import Finding, Lookout
from medfed.nodes.patience import patient
from medfed.rounds.contests import read_contest, settle_call, unsettled_rounds
from medfed.rounds.disputes import Claim
from medfed.rounds.federation import Federation
from medfed.rounds.history import StudyHistory, read_round, read_study, study_ids
from medfed.rounds.proofs import Proof, UpdateProof, challenge
from medfed.types import BlockStamp, StudyId

__all__ = ["Watchtower"]

_EVERY_SECONDS = 60.0
_WEI = 10**18
_LOW_ETHER = 0.05
_STUDY_FAULTS = (ProtocolError, SpecError, DataError, IntegrityError, ContentMissing)
# Somebody else was first: for the next cycle it is no news.
_OVERTAKEN = frozenset({"AttemptOver"})


class Watchtower:
    """Challenges what it can prove, with `sender`. With `objects` it also objects, against a bond from its account's free
    balance in the vault, to pending claims whose vector is wrong and cannot be proved wrong.

    The bond comes back when the round has another result. It is burnt when the round ends void and nobody proved the
    claim wrong, so nothing but a wrong vector is worth it.
    """

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
        self._first: int | None = None
        self._failure: Transient | None = None

    def execute(self) -> bool:
        """Look at all studies at the newest final block, and answer what is wrong. Returns whether bytes are awaited."""
        census = self._fed.census
        head = self._clock.see(census.follow())
        self._health.head(head)
        self._watch_money()
        now, faults, self._failure = self._clock.estimate(head), 0, None
        try:
            for number in study_ids(self._fed.index):
                if number in self._over or number in census.doubtful:
                    continue
                study = read_study(self._fed.index, number)
                with self._contained(study) as fault:
                    self._study(study, now)
                faults += len(fault)
            self._doubt(head)
        finally:
            self._alerts.deliver()
        self._health.counts(awaited=len(self._lookout.awaited), faults=faults + len(census.doubtful))
        if self._failure is not None:
            raise self._failure
        return bool(self._lookout.awaited)

    def _study(self, study: StudyHistory, now: int) -> None:
        for finding in self._lookout.look(study, now):
            self._answer(finding)
        waits = self._settle(study, now)
        if self._lookout.is_past(study) and not waits:
            self._over.add(study.study)

    # -- answering ---------------------------------------------------------------------------------------------------

    def _answer(self, finding: Finding) -> None:
        """Prove it or object to it, and tell people, once. What was not done is tried again by the next cycle, and keeps
        nothing else from being proved."""
        place = finding.place
        key = (place.study, place.number, finding.what, finding.digest, finding.kind)
        if key in self._answered:
            return
        try:
            done, answered = self._act(finding)
        except Transient as exc:
            self._tell(finding, (key, False), f"not sent: {exc}")
            if isinstance(exc, TransactionStuck):  # nothing gets past it
                raise
            self._failure = self._failure or exc
            return
        if answered:
            self._answered.add(key)
        self._tell(finding, (key, answered), done)

    def _act(self, finding: Finding) -> tuple[str, bool]:
        """What was done, in words, and whether that is all there is to do."""
        if finding.proof is not None:
            return self._challenge(finding, finding.proof)
        if finding.pending is None:
            return "nothing: no contract can be shown it", True
        if not self._objects:
            return "nothing: this watchtower does not object", True
        if not finding.vector:
            return "nothing: an objection would be lost if a result with the same vector became final", True
        return self._object(finding, finding.pending)

    def _challenge(self, finding: Finding, proof: Proof) -> tuple[str, bool]:
        call = challenge(self._fed.contracts.proofs, finding.place, proof, finding.result)
        try:
            return self._send("challenge", call), True
        except ContractRevert as exc:
            if _is_proved(finding, proof, exc):
                return f"challenge: somebody else was first ({exc.name})", True
            return f"challenge refused: {exc}", exc.name == "DisputeClosed"

    def _object(self, finding: Finding, attempt: int) -> tuple[str, bool]:
        place = finding.place
        terms = read_study(self._fed.index, place.study).terms
        free = self._fed.contracts.vault.balance(self._sender.address, terms.token).free
        if free < terms.bond:
            return f"nothing: an objection locks {terms.bond}, and {free} are free in the vault", False
        try:
            call = self._fed.contracts.claims.object(place.study, place.number, attempt)
            return self._send("object", call), True
        except ContractRevert as exc:
            return f"object refused: {exc}", exc.name == "ClaimWindowClosed"

    def _send(self, what: str, call: Call) -> str:
        """What was done, in words. Raises `ContractRevert`, and what is `Transient`."""
        receipt = self._sender.send(call)
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
                due = book.settlement(claim, now)
                if due is not None and due[1]:
                    continue  # its own bond, which nothing gives back
                waits = True
                if due is not None:
                    self._collect(settle_call(self._fed.contracts.claims, book, attempt))
        return waits

    def _concerns(self, claim: Claim) -> bool:
        return self._sender.address in (claim.challenger, claim.objector)

    def _collect(self, call: Call) -> None:
        try:
            self._send("settle", call)
        except ContractRevert as exc:
            if exc.name not in _OVERTAKEN:
                self._log.warning("settle refused", reason=str(exc))

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
            self._fault(study.study, "the study", str(exc))

    def _doubt(self, head: BlockStamp) -> None:
        """Tell of studies and blocks that the node tells otherwise than the contracts keep, or the receipts have them."""
        census, untold = self._fed.census, ""
        for number in census.doubtful:
            self._fault(number, "the node", census.contradiction(number))
        try:
            untold = census.hear(self._since(head))
        except Transient as exc:
            self._failure = self._failure or exc
        if untold:
            self._fault(StudyId(0), "the node", untold)
        if untold or census.doubtful:
            self._health.contradicted()

    def _since(self, head: BlockStamp) -> int:
        """The block of the oldest study in which something can still be challenged."""
        if self._first is None:
            made = self._fed.index.events("StudyCreated")
            self._first = min((e.block for e in made if e["study"] not in self._over), default=head.number)
        return self._first

    def _fault(self, study: StudyId, what: str, why: str) -> None:
        """Told once."""
        if (study, why) not in self._told:
            self._told.add((study, why))
            chain, contract = self._fed.client.chain_id, self._fed.contracts.rounds.address
            self._alerts.tell(Alert("fault", study, 0, what, why, "nothing", chain, contract))


def _is_proved(finding: Finding, proof: Proof, refusal: ContractRevert) -> bool:
    """Whether the contract refuses because this very update, or this very result, was proved wrong before."""
    place, values = finding.place, refusal.values
    if (values.get("study"), values.get("round")) != (place.study, place.number):
        return False
    if isinstance(proof, UpdateProof):
        return refusal.name == "AlreadyStruck" and values.get("seat") == proof.seat
    return refusal.name == "AlreadyRefuted" and values.get("aggregate_hash") == finding.digest
