"""FederatedRounds: seats and rounds of studies, and the root of a deployment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medfed.chain.calls import Call, Receipt
from medfed.chain.client import BlockLike
from medfed.chain.contracts.base import Contract
from medfed.protocol import purposes as duo
from medfed.protocol import typed
from medfed.protocol.commitments import Aggregate, Update, bitmap
from medfed.protocol.enumeration import Enumeration
from medfed.protocol.phase import Outcome, Phase, settled_at
from medfed.types import Address, DatasetId, HospitalId, RoundNumber, Seat, StudyId

__all__ = [
    "Absence",
    "Ballot",
    "Earning",
    "EnrolmentTerms",
    "Round",
    "Rounds",
    "SeatInfo",
    "Standing",
    "Study",
    "StudyState",
    "Wiring",
]


_GAS_TO_ATTEST = 250_000
"""Told instead of estimated: whoever turns out to be the last needs twice the gas, as that ends the round and opens
the next."""
_GAS_TO_SHOW = 20_000
"""More for each update that is shown because it is left out."""


class StudyState(Enumeration):
    """Where a study stands."""

    NONE = 0
    ENROLLING = 1
    RUNNING = 2
    COMPLETED = 3
    ABORTED = 4


@dataclass(frozen=True, slots=True)
class Wiring:
    """The other contracts of the deployment, as fixed at construction."""

    consortium: Address
    datasets: Address
    consents: Address
    vault: Address
    studies: Address
    claims: Address
    proofs: Address
    payouts: Address
    market: Address


@dataclass(frozen=True, slots=True)
class Study:
    """What rounds need of a study. `round` is the newest one, 0 while enrolling; `finals` were final at some time;
    `undone_from` is the first whose result a proof undid, 0 for none; `ended_at` in seconds, 0 while it runs."""

    state: StudyState
    members: int
    min_hospitals: int
    round: int
    finals: int
    rounds: int
    voids: int
    max_voids: int
    cohort_step: int
    training_seconds: int
    aggregating_seconds: int
    dispute_seconds: int
    max_weight: int
    undone_from: int
    ended_at: int

    @property
    def settled_at(self) -> int:
        """When its stakes may be released (seconds), 0 while it has not ended."""
        return settled_at(self.ended_at, self.round, self.dispute_seconds) if self.ended_at else 0


@dataclass(frozen=True, slots=True)
class EnrolmentTerms:
    """What enrolling needs of a study."""

    token: Address
    stake: int
    sponsor: Address
    enrol_deadline: int
    purposes: int
    disease: int
    max_hospitals: int
    spec: bytes


@dataclass(frozen=True, slots=True)
class SeatInfo:
    """A hospital's place in a study, with what it pinned on enrolling. `confirmed` are the codes that it confirmed.

    From round `barred_from` on (0 for none) it is paid nothing, and it submits no more: in that round its update, its claim,
    or a result that it attested to was proved wrong.
    """

    hospital: HospitalId
    dataset: DatasetId
    version: int
    records: int
    confirmed: int
    barred_from: int


@dataclass(frozen=True, slots=True)
class Round:
    """A round as stored. `submitted` and `attested` are bitmaps of seats; `closed_at` is 0 until all have acted."""

    opened_at: int
    closed_at: int
    total_weight: int
    acted: int
    submitted: int
    attested: int
    outcome: Outcome
    finals_before: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a round stands: its phase, the bitmap of its set, when it was opened and when it ended (seconds, 0 while it is
    open)."""

    phase: Phase
    submitted: int
    opened_at: int
    ended_at: int


@dataclass(frozen=True, slots=True)
class Ballot:
    """Who attested to one aggregate. `final_at` is 0 unless it became the round's result; `paid` is the bitmap of the seats
    that were paid for the round then."""

    attesters: int
    included: int
    final_at: int
    weight: int
    paid: int


@dataclass(frozen=True, slots=True)
class Absence:
    """Bitmaps of the seats that abstained, of those whose update was proved wrong, of those that a void round paid, and of
    those that abstained (or were said to) while they were suspended or barred."""

    abstained: int
    struck: int
    paid: int
    kept_away: int


@dataclass(frozen=True, slots=True)
class Earning:
    """What the pay of one seat for one round depends on, before hospitals that were kept away are counted; seats as bitmaps.
    `due` is how many submitted; `absent` are all other seats. `unlocked_at` in seconds."""

    outcome: Outcome
    hospital: HospitalId
    barred: bool
    unlocked_at: int
    attested: bool
    included: int
    submitted: int
    absent: int
    due: int
    weight: int
    total_weight: int
    cohort_step: int
    commitment: bytes


class Rounds(Contract):
    """Calls and views of `FederatedRounds.sol`."""

    NAME = "FederatedRounds"

    # -- a study -------------------------------------------------------------------------------------------------

    def enrol(
        self, study: StudyId, dataset: DatasetId, spec: bytes, largest_stake: int, confirmed: int = 0
    ) -> Call:
        """Sent by a hospital's operator: take a seat with a dataset, and a stake from the hospital's allowance.

        `spec` is the digest of the spec that it looked at, `largest_stake` what it is ready to stake, `confirmed` those of
        the study's codes with a parameter that it says the study meets.
        """
        return self._change("enrol", study, dataset, spec, largest_stake, confirmed)

    def enrolled(self, receipt: Receipt) -> Seat:
        """The seat that an `enrol` receipt tells."""
        return Seat(self._event(receipt, "Enrolled")["seat"])

    def cancel(self, study: StudyId) -> Call:
        """Sent by the sponsor while hospitals enrol: take the study back."""
        return self._change("cancel", study)

    def advance(self, study: StudyId) -> Call:
        """By anyone: do what time allows."""
        return self._change("advance", study)

    # -- a round -------------------------------------------------------------------------------------------------

    def submit_update(self, study: StudyId, number: RoundNumber, seat: Seat, update: Update) -> Call:
        """Sent by the seat's operator: commit to an update."""
        return self._change("submitUpdate", study, number, seat, update)

    def abstain(self, study: StudyId, number: RoundNumber, seat: Seat) -> Call:
        """Sent by the seat's operator: present without work. By anyone for a suspended or barred hospital."""
        return self._change("abstain", study, number, seat)

    def attest(
        self,
        study: StudyId,
        number: RoundNumber,
        seat: Seat,
        aggregate: Aggregate,
        left_out: Sequence[Update] = (),
    ) -> Call:
        """Sent by the seat's operator: attest to an aggregate given in full, with the updates of the submitters that
        are not in it, by ascending seat."""
        gas = _GAS_TO_ATTEST + _GAS_TO_SHOW * len(left_out)
        return self._change("attest", study, number, seat, aggregate, list(left_out), gas=gas)

    def attest_hash(self, study: StudyId, number: RoundNumber, seat: Seat, aggregate_hash: bytes) -> Call:
        """Sent by the seat's operator: attest to an aggregate that somebody gave in full before."""
        return self._change("attestHash", study, number, seat, aggregate_hash, gas=_GAS_TO_ATTEST)

    def attest_by_sig(
        self,
        study: StudyId,
        number: RoundNumber,
        aggregate: Aggregate,
        signatures: Mapping[Seat, bytes],
        left_out: Sequence[Update] = (),
    ) -> Call:
        """By anyone: hand in operators' 65-byte signatures, by seat; those that do not count are passed over."""
        signed = [typed.compact(signature) for signature in signatures.values()]
        work = (aggregate, list(left_out))
        return self._change("attestBySig", study, number, *work, list(signatures), signed)

    # -- views ---------------------------------------------------------------------------------------------------

    def deployment(self, block: BlockLike = None) -> Wiring:
        """The other contracts of this deployment."""
        return Wiring(**self._view(block, "deployment"))

    def study(self, study: StudyId, block: BlockLike = None) -> Study:
        """The study's record; its state is NONE when there is none."""
        found = self._view(block, "getStudy", study)
        return Study(**{**found, "state": StudyState(found["state"])})

    def enrolment(self, study: StudyId, block: BlockLike = None) -> EnrolmentTerms:
        """What the study asks of whoever enrols; all zero when there is none."""
        return EnrolmentTerms(**self._view(block, "getEnrolment", study))

    def seat(self, study: StudyId, seat: Seat, block: BlockLike = None) -> SeatInfo:
        """A seat's record; it stays when the stake is released."""
        found = self._view(block, "getSeat", study, seat)
        return SeatInfo(**{**found, "confirmed": duo.from_byte(found["confirmed"])})

    def seat_of(self, study: StudyId, hospital: HospitalId, block: BlockLike = None) -> Seat | None:
        """The seat of a hospital, None when it has none."""
        enrolled, seat = self._view(block, "seatOf", study, hospital)
        return Seat(seat) if enrolled else None

    def hospitals_of(self, study: StudyId, seats: int, block: BlockLike = None) -> list[HospitalId]:
        """The hospitals of a bitmap of seats, ascending."""
        return [HospitalId(each) for each in self._view(block, "hospitalsOf", study, seats)]

    def round(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Round:
        """A round's record; all zero when it has not opened."""
        found = self._view(block, "getRound", study, number)
        return Round(**{**found, "outcome": Outcome(found["outcome"])})

    def ballot(
        self, study: StudyId, number: RoundNumber, aggregate_hash: bytes, block: BlockLike = None
    ) -> Ballot:
        """The ballot of one aggregate."""
        return Ballot(**self._view(block, "getBallot", study, number, aggregate_hash))

    def absence(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Absence:
        """Who abstained, whose update was proved wrong, and whom a void round paid."""
        return Absence(**self._view(block, "getAbsence", study, number))

    def commitment(self, study: StudyId, number: RoundNumber, seat: Seat, block: BlockLike = None) -> bytes:
        """A seat's commitment for a round; zero when it has not submitted."""
        return bytes(self._view(block, "updateOf", study, number, seat))

    def commitments(
        self, study: StudyId, number: RoundNumber, seats: Iterable[Seat], block: BlockLike = None
    ) -> dict[Seat, bytes]:
        """The commitments of many seats for a round; zero for one that has not submitted."""
        wanted = sorted(set(seats))
        found = self._view(block, "updatesOf", study, number, bitmap(wanted))
        return {seat: bytes(value) for seat, value in zip(wanted, found, strict=True)}

    def standing(self, study: StudyId, number: RoundNumber, block: BlockLike = None) -> Standing:
        """How a round stands at the time of `block`."""
        phase, *rest = self._view(block, "standingOf", study, number)
        return Standing(Phase(phase), *rest)

    def earning(
        self, study: StudyId, number: RoundNumber, seat: Seat, result: bytes, block: BlockLike = None
    ) -> Earning:
        """What a seat's pay for a round depends on; raises `ContractRevert` unless `result` is the hash of its result, or
        it is void."""
        found = self._view(block, "earningOf", study, number, seat, result)
        return Earning(**{**found, "outcome": Outcome(found["outcome"])})
