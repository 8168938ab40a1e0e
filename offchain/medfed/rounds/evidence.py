"""Whether the contracts' storage bears out the events that an audit builds on.

Events come through a node and a local file; either may leave some out or change them. So every fact that an audit
takes from events is held against what the contracts keep, all at one block: a study's terms and seats, a round's
course, its ballots, each commitment, who was absent, suspended or barred, what was taken from each stake, who was paid,
each patient's chained consents, the pot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.contracts.datasets import DatasetInfo
from medfed.chain.history import was_suspended
from medfed.chain.root import follow
from medfed.chain.sealed import NO_TRANSACTION
from medfed.errors import ContractRevert, Inconsistent, NotProved, ProtocolError
from medfed.protocol.commitments import bitmap, seats_in
from medfed.rounds.books import MoneyBook
from medfed.rounds.census import round_course, study_course
from medfed.rounds.contests import absent
from medfed.rounds.disputes import ContestBook, place_of, time_of
from medfed.rounds.federation import Federation
from medfed.rounds.history import ConsentBook, Enrolment, RoundHistory, StudyHistory, declined
from medfed.types import NO_ACCOUNT, BlockStamp, DatasetId, Seat

__all__ = ["CONTRACTS", "Evidence"]

Expect = Callable[[bool, str], None]

CONTRACTS = (
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
"""What a study runs on."""

_ONCE_A_STUDY = {
    "StudyCreated": (),
    "Enrolled": ("hospital",),
    "StudyCompleted": (),
    "StudyAborted": (),
    "ModelRegistered": (),
}
_ONCE_A_ROUND = {
    "RoundOpened": (),
    "UpdateSubmitted": ("seat",),
    "Abstained": ("seat",),
    "TrainingClosed": (),
    "AggregateProposed": ("aggregate_hash",),
    "RoundFinal": (),
    "RoundVoid": (),
    "UpdateStruck": ("seat",),
    "RoundTainted": (),
    "RoundRefuted": (),
    "ReviewCommitted": ("seat",),
    "ReviewRevealed": ("seat",),
    "ReviewsTallied": (),
}
"""What happens once: in a study, or a round; for each of the values named."""
_OF_ROUNDS = (
    *(*_ONCE_A_ROUND, "Attested", "Claimed", "PatientPaid", "Credited"),
    *("AttemptMade", "Objected", "BytesLacking", "AttemptAccepted", "AttemptRefuted", "AttemptSettled"),
    *("AggregateRefuted", "UpdateRefuted", "AbsencesRecorded", "CarelessSlashed", "StakeLost"),
    "Compensated",
)
"""What happens in a round that was opened."""
_SEATS = ("seats", "warned", "slashed", "attesters", "missing")
"""What is a bitmap of seats in an event."""


@dataclass(frozen=True)
class Evidence:
    """One study's facts at one block. `expect` takes whether something is right, and the sentence otherwise."""

    federation: Federation
    study: StudyHistory
    block: BlockStamp
    expect: Expect

    def check_code(self) -> None:
        """Whether the contracts are those that follow from the rounds contract, with this version's code."""
        contracts = self.federation.contracts
        found = follow(self.federation.client, contracts.rounds.address, self.block)
        for name, address in found.items():
            told = contracts.book.contracts[name].address
            self.expect(
                told.lower() == address.lower(),
                f"the contract {name} is at {address} by the rounds contract, at {told} by the address book",
            )

    def check_start(self) -> None:
        """Whether the history that was read begins before the contracts stood: by older state, or where none is kept, by
        a node's word that the first event of roles is of its contract's creation, before which nobody may do anything.
        Raises `WrongChain`, `NotProved`."""
        try:
            self.federation.contracts.check_start()
        except NotProved:
            if not self._saw_creation():
                raise

    def check_study(self) -> None:
        """Terms, seats, and how far the study is."""
        contracts, study = self.federation.contracts, self.study.study
        kept = (
            asdict(contracts.studies.offer(study, self.block))
            | asdict(contracts.rounds.enrolment(study, self.block))
            | asdict(contracts.rounds.study(study, self.block))
            | {
                "training": contracts.studies.vectors(study, block=self.block),
                "statistics": contracts.studies.vectors(study, statistics=True, block=self.block),
                "stakes_lost": contracts.studies.stakes_lost(study, self.block),
            }
        )
        terms = {name: getattr(self.study.terms, name) for name in self.study.terms.__slots__}
        terms["statistics"] = self.study.terms.vectors(statistics=True)
        for name, value in {**terms, **self._course()}.items():
            self.expect(
                _same(kept[name], value),
                f"the chain keeps {kept[name]} for the study's {name}, the events say {value}",
            )
        for place, entry in enumerate(self.study.enrolments):
            self._check_seat(place, entry)
        self._check_once(_ONCE_A_STUDY)
        self._check_seats_named()
        for name in _OF_ROUNDS:
            self.expect(
                all(1 <= event["round"] <= self.study.rounds for event in self.events(name)),
                f"{name} is told of a round that never opened",
            )

    def check_dataset(self, entry: Enrolment, info: DatasetInfo) -> None:
        """A dataset that is enrolled: its owner, its uses, disease, basis and issuer, which stay; and the enrolled version, as
        long as the hospital has published no later one."""
        datasets = self.federation.contracts.datasets
        stored, issuer = (
            datasets.dataset(entry.dataset, self.block),
            datasets.issuer(entry.dataset, self.block),
        )
        ground = (stored.basis, issuer or NO_ACCOUNT)
        kept = (stored.records_root, stored.records, stored.quality)
        told = (info.records_root, info.records, info.quality)
        self.expect(
            (stored.owner, stored.uses, stored.disease) == (entry.hospital, info.uses, info.disease)
            and ground == (info.basis, info.issuer)
            and (stored.version != entry.version or kept == told),
            f"dataset {entry.dataset} on chain is not what the events say",
        )

    def check_round(self, history: RoundHistory) -> None:
        """A round's course, its commitments, ballots, absences, and who was paid for it."""
        rounds, number = self.federation.contracts.rounds, history.number
        stored = rounds.round(history.study, number, self.block)
        for name, value in round_course(history).items():
            self.expect(
                getattr(stored, name) == value,
                f"the chain keeps {getattr(stored, name)} for the round's {name}, the events say {value}",
            )
        updates = {**history.updates, **history.removed}
        kept = rounds.commitments(history.study, number, updates, self.block)
        for seat, update in updates.items():
            self.expect(
                kept[seat] == update.commitment(),
                f"the commitment of seat {seat} on chain is not that of its event",
            )
        self._check_ballots(history)
        self._check_absences(history)
        self._check_kept_away(history)
        self._check_once(_ONCE_A_ROUND, round=number)

    def check_consents(self, dataset: DatasetId) -> None:
        """Each patient's word and revoke-all: their hashes bind every earlier one."""
        book = ConsentBook(self.federation.index, dataset)
        try:
            book.replay()
        except ContractRevert as exc:
            raise ProtocolError(f"the consents of dataset {dataset} cannot have happened: {exc}") from None
        patients = sorted(book.states)
        kept = self.federation.contracts.consents.states(patients, dataset, self.block)
        wrong = sum(book.states[patient] != state for patient, state in zip(patients, kept, strict=True))
        self.expect(
            not wrong,
            f"the consents of {wrong} patients of dataset {dataset} on chain are not those of the events",
        )

    def check_conduct(self, contests: dict[int, ContestBook]) -> None:
        """That only those were warned or slashed who were absent, and not suspended."""
        for event in self.events("AbsencesRecorded"):
            book, now, at = contests[event["round"]], time_of(event), place_of(event)
            history, found = book.history, event["warned"] | event["slashed"]
            self.expect(
                not found & ~absent(book, now, at),
                f"somebody was warned or slashed for round {history.number} who took part in it",
            )
            end = min(now, history.ended_at or now)
            for seat in seats_in(found):
                hospital = self.study.entry(seat).hospital
                self.expect(
                    not was_suspended(self.federation.index, hospital, history.opened_at, end, at),
                    f"seat {seat} was warned or slashed for round {history.number}, in which it was suspended",
                )

    def check_money(self, book: MoneyBook) -> None:
        """What was taken from each stake, what is left in the pot, and what was burnt."""
        contracts, study = self.federation.contracts, self.study.study
        for entry in self.study.enrolments:
            kept = (
                contracts.studies.taken(study, entry.seat, self.block),
                contracts.studies.misses(study, entry.seat, self.block),
            )
            told = (book.taken(entry.seat), book.misses[entry.seat])
            self.expect(
                kept == told,
                f"the study took {kept[0]} of the stake of seat {entry.seat} and counts {kept[1]} absences, "
                f"it should be {told[0]} and {told[1]}",
            )
        sums = {
            "the pot": (contracts.vault.pot(study, self.block).amount, book.pot),
            "what was burnt of the token": (
                contracts.vault.burnt(self.study.terms.token, self.block),
                self._burnt(),
            ),
        }
        for what, (kept_sum, due) in sums.items():
            self.expect(kept_sum == due, f"{what}: the chain keeps {kept_sum}, it should be {due}")

    def _saw_creation(self) -> bool:
        granted = self.federation.index.events("RoleGranted")
        if not granted or granted[0].tx_hash == NO_TRANSACTION:
            return False
        receipt = self.federation.client.receipt(granted[0].tx_hash)
        return receipt is not None and receipt.contract == self.federation.contracts.manager.address

    # -- parts ---------------------------------------------------------------------------------------------------

    def _course(self) -> dict[str, Any]:
        study = self.study
        return study_course(self.federation.index, study) | {
            "sponsor": study.sponsor,
            "refunded": study.refunded,
            "released": study.released,
            "stakes_lost": study.stakes_lost,
        }

    def _check_seat(self, place: int, entry: Enrolment) -> None:
        stored = self.federation.contracts.rounds.seat(self.study.study, Seat(place), self.block)
        told = (entry.hospital, entry.dataset, entry.version, entry.records, entry.confirmed)
        self.expect(
            entry.seat == place
            and (stored.hospital, stored.dataset, stored.version, stored.records, stored.confirmed) == told
            and stored.barred_from == self.study.barred.get(entry.seat, 0),
            f"seat {place} on chain is not what the events say",
        )

    def _burnt(self) -> int:
        """Of the study's token, in all studies."""
        burnt = self.federation.index.events("Burnt", token=self.study.terms.token)
        return sum(event["amount"] for event in burnt)

    def _check_ballots(self, history: RoundHistory) -> None:
        rounds = self.federation.contracts.rounds
        self.expect(
            history.attesters.keys() <= history.proposals.keys()
            and (not history.final_at or history.final_hash in history.proposals),
            "somebody attested to an aggregate that nobody gave in full",
        )
        if not history.removed:  # after an update has left everybody may attest anew
            told_apart = sum(event["seats"] for event in self.events("Attested", round=history.number))
            twice = told_apart - history.attested
            self.expect(twice in (0, self._accepted_author(history)), "somebody attested twice in one round")
        for digest, aggregate in history.proposals.items():
            told = {
                "attesters": history.attesters.get(digest, 0),
                "included": aggregate.included,
                "final_at": history.final_at if digest == history.final_hash else 0,
                "weight": aggregate.weight,
                "paid": self._paid(history) if digest == history.final_hash else 0,
            }
            stored = asdict(rounds.ballot(history.study, history.number, digest, self.block))
            self.expect(
                digest == aggregate.digest(history.study, history.number) and stored == told,
                f"the ballot of aggregate 0x{digest.hex()[:16]}… on chain is not what the events say",
            )

    def _accepted_author(self, history: RoundHistory) -> int:
        """The bit of the author whose claim became final by time: it counts as an attester, also where it was one."""
        accepted = {event["attempt"] for event in self.events("AttemptAccepted", round=history.number)}
        made = self.events("AttemptMade", round=history.number)
        return bitmap([Seat(event["seat"]) for event in made if event["attempt"] in accepted])

    def _check_absences(self, history: RoundHistory) -> None:
        recorded = 0
        for event in self.events("AbsencesRecorded", round=history.number):
            recorded |= event["warned"] | event["slashed"]
        contracts, place = self.federation.contracts, (history.study, history.number)
        stored = contracts.rounds.absence(*place, self.block)
        self.expect(
            contracts.claims.absences_recorded(*place, self.block) == recorded
            and stored.abstained == bitmap(list(history.abstained))
            and stored.struck == bitmap(list(history.struck))
            and self._said_away(history, stored.kept_away),
            "who was absent, by the chain, is not what the events say",
        )
        self.expect(
            stored.paid == (self._paid(history) if history.void else 0)
            and contracts.studies.compensation(*place, self.block) == history.compensation,
            "what the round pays those that remain, or whom it paid, by the chain, is not what the events say",
        )

    def _check_kept_away(self, history: RoundHistory) -> None:
        """Who could not submit, by the consortium's record: pay depends on it."""
        if not history.ended_at:
            return
        consortium = self.federation.contracts.consortium
        span = history.opened_at, history.trained_until(self.study.terms)
        for entry in self.study.enrolments:
            suspended = consortium.was_suspended(entry.hospital, *span, self.block)
            self.expect(
                suspended == was_suspended(self.federation.index, entry.hospital, *span),
                f"whether seat {entry.seat} was suspended while the round trained is not what the events say",
            )

    def _said_away(self, history: RoundHistory, stored: int) -> bool:
        """Whether those that the contract has as kept from a round are who abstained while suspended. For a barred seat
        anyone may abstain, which no event tells."""
        index, said = self.federation.index, history.abstained
        seats = [
            entry
            for entry in self.study.enrolments
            if entry.seat in said and entry.seat not in self.study.barred
        ]
        away = bitmap([entry.seat for entry in seats if not declined(index, history, entry)])
        return stored & bitmap([entry.seat for entry in seats]) == away

    def _paid(self, history: RoundHistory) -> int:
        """Bitmap of the seats that were paid for a round."""
        return bitmap([Seat(event["seat"]) for event in self.events("Claimed", round=history.number)])

    def _check_seats_named(self) -> None:
        """That no event names a seat which nobody took: every table by seat has the seats of the study."""
        taken = bitmap([entry.seat for entry in self.study.enrolments])
        for name in (*_OF_ROUNDS, "StakeReleased"):
            for event in self.events(name):
                values = event.values
                named = 1 << values["seat"] if "seat" in values else 0
                for field in _SEATS:
                    named |= values.get(field, 0)
                if named & ~taken:
                    raise Inconsistent(f"{name} names seat {seats_in(named & ~taken)[0]}, which nobody took")

    def _check_once(self, kinds: Mapping[str, Sequence[str]], **where: Any) -> None:
        for name, keys in kinds.items():
            found = Counter(tuple(event[key] for key in keys) for event in self.events(name, **where))
            self.expect(max(found.values(), default=1) == 1, f"{name} is told twice of the same")

    # -- events --------------------------------------------------------------------------------------------------

    def events(self, name: str, **filters: Any) -> list[Event]:
        """The study's events of one kind."""
        return self.federation.index.events(name, study=self.study.study, **filters)

    def total(self, name: str, **filters: Any) -> int:
        """The sum of their amounts."""
        return sum(event["amount"] for event in self.events(name, **filters))


def _same(kept: object, told: object) -> bool:
    if isinstance(kept, str) and isinstance(told, str):
        return kept.lower() == told.lower()
    return kept == told
