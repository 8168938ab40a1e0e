"""Studies in which hospitals lie: the calls that daemons never make, on real vectors and a real store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from medfed.chain.contracts.market import Terms
from medfed.chain.contracts.rewards import PatientLeaf, review_hash
from medfed.protocol.chunks import ChunkHasher
from medfed.protocol.cid import cid_from_digest, digest_of
from medfed.protocol.commitments import Aggregate, Update
from medfed.protocol.documents import CohortManifest
from medfed.protocol.merkle import merkle_proof
from medfed.protocol.openings import Opening, chunk_openings
from medfed.protocol.vector import vector_bytes
from medfed.rounds.cohort import round_cohort
from medfed.rounds.history import RoundHistory
from medfed.rounds.recompute import RoundPlace, RoundSum
from medfed.rounds.study import fetch_model, fetch_spec, model_cid_of
from medfed.types import RoundNumber, Seat, StudyId
from tests.nodes.federation import DISPUTE, PHASE, World

__all__ = ["BOND", "CLAIM", "PRICE", "SALT", "Trial", "contested_study"]

BOND, CLAIM, PRICE = 100, 50, 70_000
SALT = b"\x5a" * 32
OFFER = {
    "bond": BOND,
    "claim_seconds": CLAIM,
    "score_mode": "reviewed",
    "patient_bps": 1500,
    "sponsor_fee_bps": 1000,
    "reward_per_round": 90_000,
}


@dataclass
class Trial:
    """One study whose hospitals do what the test says. `people` are their operators by seat."""

    world: World
    study: StudyId
    hospitals: list = field(default_factory=list)

    def place(self, number: int) -> RoundPlace:
        spec = fetch_spec(self.world.store, self.world.study(self.study))
        rounds = self.world.contracts.rounds.address
        return RoundPlace(self.world.client.chain_id, rounds, self.study, RoundNumber(number), spec)

    def operator(self, seat: int):
        entry = self.world.study(self.study).enrolments[seat]
        return next(member for member in self.world.members if member.id == entry.hospital).operator

    def train(self, number: int, *seats: int) -> RoundHistory:
        """These seats submit honest updates and publish them when all have acted."""
        world = self.world
        for seat in seats:
            self.hospital(seat).execute()
        history, study = world.round(self.study, number), world.study(self.study)
        if history.closed_at:
            for seat in seats:
                self.hospital(seat)._publishing.publish(study, study.enrolments[seat], history)
        return history

    def hospital(self, seat: int):
        entry = self.world.study(self.study).enrolments[seat]
        return next(hospital for hospital in self.hospitals if hospital.id == entry.hospital)

    def submit_wrong(self, number: int, seat: int) -> None:
        """An update with a word that its weight does not allow, in its second chunk or, of a small model, its first."""
        place, entry = self.place(number), self.world.study(self.study).enrolments[seat]
        words = np.zeros(place.spec.size, dtype=np.uint32)
        words[-1] = 0x7FFFFFFF
        data = vector_bytes(place.header(entry.hospital), words)
        manifest = CohortManifest(
            study=self.study,
            round=number,
            dataset=entry.dataset,
            leaves=tuple(f"0x{leaf:064x}" for leaf in range(1, place.spec.cohort_step + 1)),
        )
        store = self.world.store
        update = Update(
            digest_of(store.put(data)),
            root_of(data),
            digest_of(store.put(manifest.to_bytes())),
            manifest.root(),
            place.spec.cohort_step,
        )
        call = self.world.contracts.rounds.submit_update(self.study, number, seat, update)
        self.world.send(self.operator(seat), call)

    # -- aggregates ------------------------------------------------------------------------------------------------

    def truth(self, number: int) -> tuple[Aggregate, bytes]:
        """The aggregate of all submitted updates, and its file; sum and model are published."""
        world, place = self.world, self.place(number)
        study, history = world.study(self.study), world.round(self.study, number)
        total = RoundSum(place, {entry.seat: entry for entry in study.enrolments})
        total.add(world.store, history.updates)
        start = fetch_model(world.store, place.spec, model_cid_of(world.index, study, place.spec, number))
        outcome = total.outcome(start)
        world.store.put(outcome.aggregate_file)
        world.store.put(outcome.model_file)
        return outcome.aggregate, outcome.aggregate_file

    def lie(self, number: int) -> tuple[Aggregate, bytes]:
        """The same with one wrong word, and its file."""
        aggregate, data = self.truth(number)
        wrong = bytearray(data)
        wrong[512 + 3] ^= 1
        return replace(aggregate, root=root_of(bytes(wrong))), bytes(wrong)

    def claim(self, number: int, aggregate: Aggregate) -> int:
        """By the seat whose turn it is."""
        disputes = self.world.contracts.disputes
        seat = disputes.leader(self.study, RoundNumber(number))
        receipt = self.world.send(
            self.operator(seat), disputes.submit_aggregate(self.study, number, seat, aggregate)
        )
        return disputes.attempted(receipt)

    def attest(self, number: int, aggregate: Aggregate, *seats: int) -> None:
        for seat in seats:
            call = self.world.contracts.rounds.attest(self.study, number, seat, aggregate)
            self.world.send(self.operator(seat), call)

    def challenge(self, number: int, aggregate: Aggregate, data: bytes, who=None) -> None:
        """By the sponsor, with chunk 1."""
        store, history = self.world.store, self.world.round(self.study, number)
        shown = [
            (update, opening(store.get(cid_from_digest(update.cid), 1 << 30), 1))
            for seat, update in sorted(history.updates.items())
            if aggregate.included >> seat & 1
        ]
        call = self.world.contracts.disputes.challenge_chunk(
            self.study, number, aggregate, 1, chunk_openings(shown, opening(data, 1))
        )
        self.world.send(who or self.world.sponsor, call)

    def strike(self, number: int, seat: int) -> None:
        """By the sponsor: the last chunk of an update of `submit_wrong`."""
        update = self.world.round(self.study, number).updates[Seat(seat)]
        data = self.world.store.get(cid_from_digest(update.cid), 1 << 30)
        index = len(data) // 512 - 1
        call = self.world.contracts.disputes.challenge_update(
            self.study, number, seat, (update, index, opening(data, index))
        )
        self.world.send(self.world.sponsor, call)

    # -- money -----------------------------------------------------------------------------------------------------

    def review(self, number: int, scores: dict[int, list[int]]) -> None:
        """Commit now, reveal in the second half of the window."""
        rewards, history = self.world.contracts.rewards, self.world.round(self.study, number)
        entries = self.world.study(self.study).enrolments
        for seat, said in scores.items():
            hashed = review_hash((self.study, number, seat), entries[seat].hospital, said, SALT)
            self.world.send(
                self.operator(seat),
                rewards.commit_review((self.study, number, seat), history.final_hash, hashed),
            )
        self.world.client.travel(DISPUTE // 2)
        for seat, said in scores.items():
            call = rewards.reveal_review((self.study, number, seat), history.final_hash, said, SALT)
            self.world.send(self.operator(seat), call)

    def claim_all(self, number: int) -> None:
        rounds, history = self.world.contracts.rounds, self.world.round(self.study, number)
        for seat, update in history.updates.items():
            call = rounds.claim(self.study, number, seat, (history.result, update))
            self.world.send(self.world.sponsor, call)

    def leaf(self, number: int, seat: int):
        """A patient of an honest seat's cohort, and its leaf with proof."""
        history, study = self.world.round(self.study, number), self.world.study(self.study)
        hospital, entry = self.hospital(seat), study.enrolments[seat]
        cohort = round_cohort(self.world.index, self.place(number), history, entry, hospital.holdings)
        member = cohort.members[0]
        wallet = next(each.wallet for each in self.world.members if each.id == entry.hospital)
        person = next(
            wallet.account(n)
            for n in range(self.world.patients)
            if wallet.account(n).address == member.patient
        )
        self.world.client.set_balance(person.address, 10**18)
        proof = merkle_proof(cohort.leaves, cohort.leaves.index(member.leaf))
        return person, PatientLeaf(entry.dataset, member.salt, proof)


def contested_study(world: World) -> StudyId:
    """Two rounds. In the first a claim is proved wrong, a second one is right and a stranger objects to it, a quorum ends
    it; everybody reviews. In the second an update is struck and a claim becomes final by time. Then all is settled, paid,
    registered, sold and shared out."""
    hospitals = [world.hospital(member) for member in world.members]
    trial = Trial(world, world.opened(*hospitals, rounds=2, **OFFER), hospitals)
    contracts, study, sponsor = world.contracts, trial.study, world.sponsor
    token, vault = contracts.development_token, contracts.vault
    world.send(sponsor, token.mint(sponsor.address, 10 * PRICE))
    world.send(sponsor, token.approve(vault.address, 10 * PRICE))
    world.send(sponsor, vault.deposit(token.address, 2 * BOND, sponsor.address))

    trial.train(1, 0, 1, 2)
    wrong, data = trial.lie(1)
    right, _ = trial.truth(1)
    trial.claim(1, wrong)
    trial.challenge(1, wrong, data)
    trial.claim(1, right)
    world.send(sponsor, contracts.disputes.object(study, 1))
    trial.attest(1, right, 0, 1)
    world.send(sponsor, contracts.disputes.settle(study, 1, 0))
    trial.review(1, {0: [7, 40, 9], 1: [12, 3, 9], 2: [15, 21, 0]})

    trial.submit_wrong(2, 2)
    trial.train(2, 0, 1)
    trial.strike(2, 2)
    last, _ = trial.truth(2)
    trial.claim(2, last)
    world.client.travel(CLAIM)
    world.send(sponsor, contracts.disputes.finalise(study, 2, last))
    trial.attest(2, last, 1)
    world.client.travel(DISPUTE)
    _settle(trial, right, last)
    _sell(trial, right, last)
    world.index.sync()
    return study


def _settle(trial: Trial, first: Aggregate, last: Aggregate) -> None:
    world, study = trial.world, trial.study
    contracts, sponsor = world.contracts, world.sponsor
    world.send(sponsor, contracts.disputes.settle(study, 1, 1, first.digest(study, 1)))
    world.send(sponsor, contracts.disputes.settle(study, 2, 0, last.digest(study, 2)))
    world.send(sponsor, contracts.rewards.tally(study, 1, first.digest(study, 1)))
    for number in (1, 2):
        trial.claim_all(number)
    person, leaf = trial.leaf(1, 0)
    history = world.round(study, 1)
    world.send(person, contracts.rewards.claim_patient((study, 1, 0), (first, history.updates[0]), leaf))
    for seat in range(3):
        world.send(sponsor, contracts.rounds.release(study, seat))
    world.send(sponsor, contracts.rounds.refund(study))


def _sell(trial: Trial, first: Aggregate, last: Aggregate) -> None:
    world, study = trial.world, trial.study
    market, sponsor, token = world.contracts.market, world.sponsor, world.contracts.development_token.address
    for number, aggregate in ((1, first), (2, last)):
        updates = world.round(study, number).updates
        world.send(sponsor, market.credit(study, number, aggregate, updates))
    world.send(sponsor, market.register(study, last))
    for duration in (0, PHASE):
        terms = Terms(token, PRICE, duration, transferable=bool(duration), licence=b"\x44" * 32)
        receipt = world.send(sponsor, market.set_terms(study, terms))
        world.send(sponsor, market.buy(study, market.version_set(receipt), PRICE, sponsor.address))
        world.send(sponsor, market.claim_fees(study, 0, token))
    world.send(sponsor, market.claim_fees(study, 1, token))
    world.send(sponsor, market.claim_sponsor_fees(study, token))
    person, leaf = trial.leaf(1, 0)
    work = first, world.round(study, 1).updates[0]
    world.send(person, market.claim_patient_fees((study, 1, 0), token, work, leaf))
    world.send(sponsor, market.withdraw_model(study))


def opening(data: bytes, index: int) -> Opening:
    """A chunk of a file, and its proof."""
    tree = ChunkHasher()
    tree.add(data)
    return Opening(data[512 * index : 512 * (index + 1)], tree.proof(index))


def root_of(data: bytes) -> bytes:
    tree = ChunkHasher()
    tree.add(data)
    return tree.root()
