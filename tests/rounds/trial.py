"""Studies in which hospitals lie: the calls that daemons never make, on real vectors and a real store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from medfed.chain.contracts.market import Terms
from medfed.chain.contracts.payouts import Earned, PatientLeaf, review_hash
from medfed.protocol.chunks import ChunkHasher
from medfed.protocol.cid import cid_from_digest, digest_of
from medfed.protocol.commitments import NO_AGGREGATE, Aggregate, Update
from medfed.protocol.manifest import CohortManifest
from medfed.protocol.openings import Opening, chunk_openings
from medfed.protocol.vector import vector_bytes
from medfed.rounds.cohort import round_cohort
from medfed.rounds.history import RoundHistory
from medfed.rounds.proofs import recomputed_root
from medfed.rounds.recompute import RoundPlace, RoundSum
from medfed.rounds.study import fetch_model, fetch_spec, model_cid_of
from medfed.types import RoundNumber, Seat, StudyId
from tests.nodes.federation import DISPUTE, PHASE, World

__all__ = ["BOND", "CLAIM", "PRICE", "SALT", "Trial", "contested_study", "undone_study"]

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
        """These seats submit honest updates and publish them when all have acted; their daemons do nothing else."""
        study, history = self.world.study(self.study), self.world.round(self.study, number)
        for seat in seats:
            act = self.hospital(seat)._training.act
            act(study, study.enrolments[seat], history, history.opened_at)
        if self.world.round(self.study, number).closed_at:
            self.publish(number, *seats)
        return self.world.round(self.study, number)

    def publish(self, number: int, *seats: int) -> None:
        """These seats' bytes of a round, when Training is over."""
        study, history = self.world.study(self.study), self.world.round(self.study, number)
        for seat in seats:
            self.hospital(seat)._publishing.publish(study, study.enrolments[seat], history)

    def wait(self, seconds: int) -> None:
        self.world.client.travel(seconds)

    def send(self, call) -> None:
        """By the sponsor, who is a stranger to claims and a challenger of lies."""
        self.world.send(self.world.sponsor, call)

    def hospital(self, seat: int):
        entry = self.world.study(self.study).enrolments[seat]
        return next(hospital for hospital in self.hospitals if hospital.id == entry.hospital)

    def submit_wrong(self, number: int, seat: int) -> None:
        """An update with a word that its weight does not allow, in its second chunk or, of a small model, its first."""
        place, entry = self.place(number), self.world.study(self.study).enrolments[seat]
        words = np.zeros(place.spec.size, dtype=np.uint32)
        words[-1] = 0x7FFFFFFF
        data = vector_bytes(place.header(entry.hospital), words)
        leaves = b"".join(leaf.to_bytes(32, "big") for leaf in range(1, place.spec.cohort_step + 1))
        manifest = CohortManifest(self.study, RoundNumber(number), entry.dataset, leaves)
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

    def truth(self, number: int, *left_out: int) -> tuple[Aggregate, bytes]:
        """The aggregate of all submitted updates that are right and not left out, and its file; sum and model are
        published."""
        world, place = self.world, self.place(number)
        study, history = world.study(self.study), world.round(self.study, number)
        total = RoundSum(place, {entry.seat: entry for entry in study.enrolments})
        total.add(world.store, {seat: each for seat, each in history.updates.items() if seat not in left_out})
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

    def pretend(self, number: int) -> tuple[Aggregate, bytes]:
        """The aggregate of the updates that are right, said to be that of all; and its file."""
        aggregate, data = self.truth(number)
        history = self.world.round(self.study, number)
        return replace(aggregate, included=history.submitted, weight=history.weight), data

    def sum_of_all(self, number: int) -> Aggregate:
        """What a contract would compute over all updates, whatever is in them."""
        history, place = self.world.round(self.study, number), self.place(number)
        root = recomputed_root(self.world.store, place, history.updates)
        return replace(self.pretend(number)[0], root=root)

    def claim(self, number: int, aggregate: Aggregate) -> int:
        """By the seat whose turn it is."""
        claims = self.world.contracts.claims
        seat = claims.leader(self.study, RoundNumber(number))
        receipt = self.world.send(
            self.operator(seat), claims.submit_aggregate(self.study, number, seat, aggregate)
        )
        return claims.attempted(receipt)

    def attest(self, number: int, aggregate: Aggregate, *seats: int) -> None:
        rounds, left_out = self.world.contracts.rounds, self.world.round(self.study, number).left_out_updates
        for seat in seats:
            call = rounds.attest(self.study, number, seat, aggregate, left_out(aggregate.included))
            self.world.send(self.operator(seat), call)

    def challenge(self, number: int, aggregate: Aggregate, data: bytes, who=None) -> None:
        """By the sponsor, with chunk 1."""
        store, history = self.world.store, self.world.round(self.study, number)
        shown = [
            (update, opening(store.get(cid_from_digest(update.cid), 1 << 30), 1))
            for seat, update in sorted(history.updates.items())
            if aggregate.included >> seat & 1
        ]
        call = self.world.contracts.proofs.challenge_chunk(
            self.study, number, aggregate, 1, chunk_openings(shown, opening(data, 1))
        )
        self.world.send(who or self.world.sponsor, call)

    def strike(self, number: int, seat: int) -> None:
        """By the sponsor: the last chunk of an update of `submit_wrong`."""
        history = self.world.round(self.study, number)
        update = history.updates[Seat(seat)]
        data = self.world.store.get(cid_from_digest(update.cid), 1 << 30)
        index = len(data) // 512 - 1
        shown, result = (update, index, opening(data, index)), history.final_hash or bytes(32)
        call = self.world.contracts.proofs.challenge_update(self.study, number, seat, shown, result)
        self.world.send(self.world.sponsor, call)

    # -- money -----------------------------------------------------------------------------------------------------

    def review(self, number: int, scores: dict[int, list[int]]) -> None:
        """Commit now, reveal in the second half of the window."""
        payouts, history = self.world.contracts.payouts, self.world.round(self.study, number)
        entries = self.world.study(self.study).enrolments
        for seat, said in scores.items():
            hashed = review_hash((self.study, number, seat), entries[seat].hospital, said, SALT)
            self.world.send(
                self.operator(seat),
                payouts.commit_review((self.study, number, seat), history.final_hash, hashed),
            )
        self.world.client.travel(DISPUTE // 2)
        for seat, said in scores.items():
            call = payouts.reveal_review((self.study, number, seat), history.final_hash, said, SALT)
            self.world.send(self.operator(seat), call)

    def pay(self, seat: int, *numbers: int) -> None:
        """Claim these rounds for a seat, at one go."""
        histories = [self.world.round(self.study, number) for number in numbers]
        earned = [
            Earned(history.number, history.updates[Seat(seat)], history.result or NO_AGGREGATE)
            for history in histories
        ]
        self.world.send(
            self.world.sponsor, self.world.contracts.payouts.claim(self.study, Seat(seat), earned)
        )

    def close(self, *seats: int) -> None:
        """Release these stakes, and refund the sponsor."""
        studies = self.world.contracts.studies
        for seat in seats:
            self.world.send(self.world.sponsor, studies.release(self.study, Seat(seat)))
        self.world.send(self.world.sponsor, studies.refund(self.study))

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
        manifest = cohort.manifest()
        index = manifest.index(member.leaf)
        shown = PatientLeaf(entry.dataset, member.salt, index, manifest.count, manifest.proof(index))
        return person, shown


def contested_study(world: World) -> StudyId:
    """Two rounds. In the first a claim is right and a stranger objects to it, a quorum ends it; everybody reviews. In the
    second an update is struck, a claim is proved wrong, and the next one becomes final by time. Then all is settled, paid,
    registered, sold and shared out."""
    hospitals = [world.hospital(member) for member in world.members]
    trial = Trial(world, world.opened(*hospitals, rounds=2, **OFFER), hospitals)
    contracts, study, sponsor = world.contracts, trial.study, world.sponsor
    _fund(world)

    trial.train(1, 0, 1, 2)
    right, _ = trial.truth(1)
    trial.claim(1, right)
    world.send(sponsor, contracts.claims.object(study, 1, 0))
    trial.attest(1, right, 0, 1)
    trial.review(1, {0: [7, 40, 9], 1: [12, 3, 9], 2: [15, 21, 0]})

    trial.submit_wrong(2, 2)
    trial.train(2, 0, 1)
    trial.strike(2, 2)
    last, _ = trial.truth(2)
    wrong, data = trial.lie(2)
    trial.claim(2, wrong)
    trial.challenge(2, wrong, data)
    trial.claim(2, last)
    world.client.travel(CLAIM)
    world.send(sponsor, contracts.claims.finalise(study, 2, last))
    trial.attest(2, last, 0)
    world.send(sponsor, contracts.claims.settle(study, 2, 0, wrong))
    world.client.travel(DISPUTE)
    _settle(trial, right, last)
    _sell(trial, right, last)
    world.index.sync()
    return study


def undone_study(world: World) -> StudyId:
    """Four hospitals, of which a round needs three, and every way for a round to end but those of `contested_study`.

    In the first one is left out. The second has two claims, objections with and without a bond, one who says whose bytes
    it lacks and one who does nothing; it ends void. In the third an update is struck that leaves too few, and one is
    silent. In the fourth two attest to a lie over a wrong update: both are proved, which ends the fifth.
    """
    hospitals = [world.hospital(member) for member in world.members]
    offer = {
        "min_hospitals": 3,
        "max_voids": 3,
        "reward_per_round": 180,
        "bond": BOND,
        "claim_seconds": CLAIM,
    }
    trial = Trial(world, world.opened(*hospitals, rounds=3, **offer), hospitals)
    contracts, study = world.contracts, trial.study
    rounds, claims = contracts.rounds, contracts.claims
    _fund(world)

    trial.train(1, 0, 1, 2, 3)
    trial.attest(1, trial.truth(1, 3)[0], 0, 1, 2)

    trial.train(2, 0, 1, 2, 3)
    right, _ = trial.truth(2)
    trial.claim(2, right)
    trial.send(claims.object(study, 2, 0))
    trial.claim(2, right)
    world.send(trial.operator(1), claims.object(study, 2, 1))
    world.send(trial.operator(1), claims.lack(study, 2, 1, 1 << 3))
    trial.wait(2 * PHASE)
    trial.send(rounds.advance(study))
    for attempt in (0, 1):
        trial.send(claims.settle(study, 2, attempt, right))
    trial.send(claims.record_absences(study, 2))

    trial.submit_wrong(3, 2)
    trial.train(3, 0, 1)
    trial.wait(PHASE)
    trial.publish(3, 0, 1)
    trial.send(claims.record_absences(study, 3))
    trial.strike(3, 2)
    trial.send(rounds.advance(study))

    trial.send(rounds.abstain(study, 4, 2))
    trial.submit_wrong(4, 3)
    trial.train(4, 0, 1)
    lie, data = trial.pretend(4)
    trial.attest(4, lie, 0, 1)
    trial.strike(4, 3)
    trial.challenge(4, lie, data)

    trial.wait(DISPUTE)
    trial.pay(0, 1, 3)
    trial.pay(1, 1)
    trial.pay(2, 1)
    trial.close(0, 1, 2, 3)
    world.index.sync()
    return study


def _fund(world: World) -> None:
    """What the sponsor needs as a buyer, and as a stranger who objects."""
    token, vault = world.contracts.development_token, world.contracts.vault
    world.send(world.sponsor, token.mint(world.sponsor.address, 10 * PRICE))
    world.send(world.sponsor, token.approve(vault.address, 10 * PRICE))
    world.send(world.sponsor, vault.deposit(token.address, 2 * BOND, world.sponsor.address))


def _settle(trial: Trial, first: Aggregate, last: Aggregate) -> None:
    world, study = trial.world, trial.study
    contracts, sponsor = world.contracts, world.sponsor
    world.send(sponsor, contracts.claims.settle(study, 1, 0, first, first))
    world.send(sponsor, contracts.claims.settle(study, 2, 1, last, last))
    world.send(sponsor, contracts.payouts.tally(study, 1, first.digest(study, 1)))
    trial.pay(0, 1)
    trial.pay(1, 2)
    trial.pay(1, 1)
    trial.pay(2, 1)
    person, leaf = trial.leaf(1, 0)
    history = world.round(study, 1)
    world.send(person, contracts.payouts.claim_patient((study, 1, 0), (first, history.updates[0]), leaf))
    trial.close(0, 1, 2)


def _sell(trial: Trial, first: Aggregate, last: Aggregate) -> None:
    world, study = trial.world, trial.study
    market, sponsor, token = world.contracts.market, world.sponsor, world.contracts.development_token.address
    for number, aggregate in ((1, first), (2, last)):
        told = world.study(study)
        updates = world.round(study, number).updates
        earning = {seat: update for seat, update in updates.items() if told.pays(seat, RoundNumber(number))}
        world.send(sponsor, market.credit(study, number, aggregate, earning))
    world.send(sponsor, market.register(study, last))
    for duration in (0, PHASE):
        terms = Terms(token, PRICE, duration, transferable=bool(duration), licence=b"\x44" * 32)
        receipt = world.send(sponsor, market.set_terms(study, terms))
        world.client.travel(3 * 86_400)
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
