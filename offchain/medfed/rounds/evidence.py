"""Whether the contracts' storage bears out the events that an audit builds on.

Events come through a node and a local file; either may leave some out or change them. So every fact that an audit
takes from events is held against what the contracts keep, all at one block: a study's terms and seats, a round's
course, its ballots, each commitment, who was absent, what is carried on, each patient's chained consents, the pot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medfed.chain.artifacts import artifact
from medfed.chain.calls import Event
from medfed.chain.contracts.datasets import DatasetInfo
from medfed.chain.contracts.rounds import StudyState
from medfed.errors import ContractRevert, ProtocolError
from medfed.protocol.commitments import bitmap, seats_in
from medfed.protocol.phase import Outcome
from medfed.rounds.disputes import place_of
from medfed.rounds.federation import Federation
from medfed.rounds.history import ConsentBook, Enrolment, RoundHistory, StudyHistory
from medfed.types import BlockStamp, DatasetId, RoundNumber, Seat

__all__ = ["CONTRACTS", "Evidence"]

Expect = Callable[[bool, str], None]

CONTRACTS = (
    "Consortium",
    "DatasetRegistry",
    "ConsentRegistry",
    "StakeVault",
    "FederatedRounds",
    "Disputes",
    "Rewards",
    "ModelMarket",
)
"""What a study runs on."""

_SLASHED_FROM_MISS, _SLASHED_FROM_LEFT_OUT = 2, 3  # as in Disputes.sol
_COUNTER_LIMIT = 255
_CAME = ("Funded", "Slashed")
"""What comes into a study's pot."""
_OF_ROUNDS = ("Claimed", "PatientPaid")
_PAID = {
    "Claimed": "hospital",
    "Refunded": "sponsor",
    "ChallengerPaid": "challenger",
    "PatientPaid": "patient",
    "Swept": "sponsor",
}
"""What leaves a study's pot, and the field that says to whom."""
_ENDS = {"completed": StudyState.COMPLETED, "aborted": StudyState.ABORTED}


@dataclass(frozen=True)
class Evidence:
    """One study's facts at one block. `expect` takes whether something is right, and the sentence otherwise."""

    federation: Federation
    study: StudyHistory
    block: BlockStamp
    expect: Expect

    def check_code(self) -> None:
        """Whether the contracts are those of this version, constructor values aside."""
        placed = self.federation.contracts.book.contracts
        for name in CONTRACTS:
            address = placed[name].address
            self.expect(
                artifact(name).is_code(self.federation.client.code(address, self.block)),
                f"the contract {name} at {address} has other code than this version of medfed",
            )

    def check_study(self) -> None:
        """Terms, seats, how far the study is, and what is left in its pot."""
        study, rounds = self.study, self.federation.contracts.rounds
        agreed = self.federation.contracts.disputes.terms(study.study, self.block)
        kept = asdict(agreed) | asdict(rounds.study(study.study, self.block))
        for name, value in {**study.terms, **self._course()}.items():
            self.expect(
                _same(kept[name], value),
                f"the chain keeps {kept[name]} for the study's {name}, the events say {value}",
            )
        for place, entry in enumerate(study.enrolments):
            self._check_seat(place, entry)
        self._check_pot()

    def check_dataset(self, entry: Enrolment, info: DatasetInfo) -> None:
        """An enrolled version, as long as the hospital has published no later one."""
        stored = self.federation.contracts.datasets.dataset(entry.dataset, self.block)
        kept = (stored.records_root, stored.records, stored.uses, stored.disease, stored.quality)
        told = (info.records_root, info.records, info.uses, info.disease, info.quality)
        self.expect(
            stored.version != entry.version or kept == told,
            f"dataset {entry.dataset} on chain is not what the events say",
        )

    def check_round(self, history: RoundHistory) -> None:
        """A round's course, its commitments, ballots and absences."""
        rounds, number = self.federation.contracts.rounds, history.number
        stored = rounds.round(history.study, number, self.block)
        for name, value in _course_of(history).items():
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

    def check_carried(self, carried: Mapping[int, int]) -> None:
        """What each round pays on top, as it follows from slashes, voids and left-out updates."""
        for value in range(1, self.study.rounds + 2):
            kept = self.federation.contracts.rounds.carried_into(
                self.study.study, RoundNumber(value), self.block
            )
            due = carried.get(value, 0)
            self.expect(kept == due, f"{kept} is carried into round {value}, it should be {due}")

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

    def check_conduct(self, rounds: Mapping[int, RoundHistory]) -> None:
        """That only those were warned or slashed who were silent or left out."""
        contract = self.federation.contracts.disputes
        misses: Counter[int] = Counter()
        left_out: Counter[int] = Counter()
        found = [*self.events("AbsenceWarned"), *self.events("AbsenceSlashed")]
        for event in sorted(found, key=place_of):
            history, seat = rounds[event["round"]], Seat(event["seat"])
            silent = _was_silent(history, seat)
            counter = misses if silent else left_out
            counter[seat] += 1
            due = (
                misses[seat] >= _SLASHED_FROM_MISS or history.number == 1
                if silent
                else left_out[seat] >= _SLASHED_FROM_LEFT_OUT
            )
            self.expect(
                due == (event.name == "AbsenceSlashed"),
                f"the absence of seat {seat} in round {history.number} was not judged by the rule",
            )
        for entry in self.study.enrolments:
            stored = asdict(contract.record(self.study.study, entry.seat, self.block))
            told = {
                "misses": min(_COUNTER_LIMIT, misses[entry.seat]),
                "left_out": min(_COUNTER_LIMIT, left_out[entry.seat]),
                "slashed": self.total("AbsenceSlashed", seat=entry.seat),
            }
            self.expect(
                stored == told, f"the chain counts other absences of seat {entry.seat} than the events"
            )

    # -- parts ---------------------------------------------------------------------------------------------------

    def _course(self) -> dict[str, Any]:
        study, proofs = self.study, self.events("RoundRefuted")
        running = StudyState.RUNNING if study.rounds else StudyState.ENROLLING
        # The round that a proof ends with its study is not counted among those that failed.
        since = min(map(place_of, proofs), default=None)
        voids = [event for event in self.events("RoundVoid") if since is None or place_of(event) < since]
        return {
            "sponsor": study.sponsor,
            "state": _ENDS.get(study.ended, running),
            "members": len(study.enrolments),
            "round": study.rounds,
            "finals": len(self.events("RoundFinal")),
            "voids": min(_COUNTER_LIMIT, len(voids)),
            "ended_at": study.ended_at,
            "refunded": bool(self.events("Refunded")),
            "void_from": min((event["round"] for event in proofs), default=0),
            "struck": bitmap([Seat(seat) for seats in self._struck() for seat in seats]),
            "forfeited": self.total("Forfeited", round=0),
        }

    def _check_seat(self, place: int, entry: Enrolment) -> None:
        stored = self.federation.contracts.rounds.seat(self.study.study, Seat(place), self.block)
        released = self.events("StakeReleased", seat=place)
        self.expect(
            (entry.seat, entry.hospital, entry.version, entry.records)
            == (place, stored.hospital, stored.version, stored.records)
            and stored.dataset == (0 if released else entry.dataset)
            and stored.struck == bool(self.events("UpdateStruck", seat=place)),
            f"seat {place} on chain is not what the events say",
        )
        struck = any(place in seats for seats in self._struck())
        left = 0 if struck else self.study.terms["stake"] - self.total("AbsenceSlashed", seat=place)
        self.expect(
            all(event["amount"] == left for event in released),
            f"seat {place} did not get back what was left of its stake",
        )

    def _check_pot(self) -> None:
        terms, vault = self.study.terms, self.federation.contracts.vault
        funded = [(event["from"], event["amount"]) for event in self.events("Funded")]
        self.expect(
            funded == [(self.study.sponsor, terms["reward_per_round"] * terms["rounds"])],
            "the sponsor did not bring what the study pays",
        )
        paid = Counter((event["account"], event["amount"]) for event in self.events("Paid"))
        due = Counter(
            (event[to], event["amount"]) for name, to in _PAID.items() for event in self.events(name)
        )
        self.expect(paid == due, "what left the pot is not what was paid out")
        self.expect(
            all(event["token"] == terms["token"] for name in _CAME for event in self.events(name)),
            "another token than the study's came into its pot",
        )
        self.expect(
            all(1 <= e["round"] <= self.study.rounds for name in _OF_ROUNDS for e in self.events(name)),
            "somebody was paid for a round that never opened",
        )
        came = sum(map(self.total, _CAME))
        went = sum(map(self.total, _PAID))
        left = vault.pot(self.study.study, self.block).amount
        self.expect(
            left == came - went, f"the pot holds {left}, after all that was paid it should hold {came - went}"
        )

    def _check_ballots(self, history: RoundHistory) -> None:
        rounds = self.federation.contracts.rounds
        self.expect(
            history.attesters.keys() <= history.proposals.keys()
            and (not history.final_at or history.final_hash in history.proposals),
            "somebody attested to an aggregate that nobody gave in full",
        )
        if not history.struck:  # after a strike everybody may attest anew
            told_apart = sum(event["seats"] for event in self.events("Attested", round=history.number))
            twice = told_apart - history.attested
            self.expect(twice in (0, self._accepted_author(history)), "somebody attested twice in one round")
        claimed = bitmap([Seat(event["seat"]) for event in self.events("Claimed", round=history.number)])
        for digest, aggregate in history.proposals.items():
            final = digest == history.final_hash
            paid = sum(
                update.weight
                for seat, update in history.updates.items()
                if final and (claimed & aggregate.included) >> seat & 1
            )
            told = {
                "attesters": history.attesters.get(digest, 0),
                "claimed": claimed if final else 0,
                "included": aggregate.included,
                "final_at": history.final_at if final else 0,
                "weight": max(0, aggregate.weight - paid),
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
        found = [
            *self.events("AbsenceWarned", round=history.number),
            *self.events("AbsenceSlashed", round=history.number),
        ]
        stored = self.federation.contracts.rounds.absence(history.study, history.number, self.block)
        recorded = self.federation.contracts.disputes.absences_recorded(
            history.study, history.number, self.block
        )
        self.expect(
            recorded == bitmap([Seat(event["seat"]) for event in found])
            and stored.abstained == bitmap(list(history.abstained))
            and stored.struck == bitmap(list(history.struck)),
            "who was absent, by the chain, is not what the events say",
        )

    def _struck(self) -> Iterator[set[int]]:
        """The seats that lost their stake to each proof."""
        yield {event["seat"] for event in self.events("UpdateStruck")}
        for event in self.events("RoundRefuted"):
            yield set(seats_in(event["seats"]))

    # -- events --------------------------------------------------------------------------------------------------

    def events(self, name: str, **filters: Any) -> list[Event]:
        """The study's events of one kind."""
        return self.federation.index.events(name, study=self.study.study, **filters)

    def total(self, name: str, **filters: Any) -> int:
        """The sum of their amounts."""
        return sum(event["amount"] for event in self.events(name, **filters))


def _course_of(history: RoundHistory) -> dict[str, Any]:
    outcome = Outcome.FINAL if history.final_at else Outcome.VOID if history.void else Outcome.OPEN
    return {
        "opened_at": history.opened_at,
        "closed_at": history.closed_at,
        "total_weight": history.weight,
        "acted": len(history.updates.keys() | history.abstained | history.struck),
        "submitted": history.submitted,
        "attested": history.attested,
        "outcome": outcome,
    }


def _was_silent(history: RoundHistory, seat: Seat) -> bool:
    """Whether a recorded absence was silence; False when the result left the seat out. Raises `ProtocolError`."""
    if seat not in history.updates and seat not in history.abstained:
        return True
    result = history.result
    if result is None or seat not in history.updates or result.included >> seat & 1:
        raise ProtocolError(
            f"seat {seat} was warned or slashed for round {history.number}, in which it took part"
        )
    return False


def _same(kept: object, told: object) -> bool:
    if isinstance(kept, str) and isinstance(told, str):
        return kept.lower() == told.lower()
    return kept == told
