"""What the history tells of rounds in which something was left out, struck or proved wrong is what the contracts keep."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from medfed.chain.client import connect
from medfed.chain.contracts.payouts import Earned
from medfed.chain.contracts.rounds import StudyState
from medfed.errors import ContractRevert
from medfed.protocol.chunks import ChunkHasher
from medfed.protocol.commitments import NO_AGGREGATE, Aggregate, Update, seats_in
from medfed.protocol.header import Header
from medfed.protocol.openings import Opening, chunk_openings
from medfed.protocol.phase import Outcome, Phase, phase_of
from medfed.protocol.vector import vector_bytes
from medfed.rounds.contests import read_contest
from medfed.rounds.history import read_round, read_study
from medfed.rounds.settle import pay_of, unpaid_rounds
from tests.chain.world import REWARD, STAKE, World

WORDS = 300


@pytest.fixture
def play(tmp_path):
    return Play(World(connect("embedded:"), tmp_path))


@dataclass
class Play:
    """One study of three hospitals whose vectors are real. Seats are 0 to 2, weights 32, 64 and 96."""

    world: World
    study: int = 0

    def begin(self, **terms):
        vector = replace(self.world.terms().training[0], words=WORDS)
        self.study = self.world.running(training=(vector,), **terms)

    def header(self, number, seat=None):
        hospital = None if seat is None else self.world.hospitals[seat].id
        return Header(self.world.client.chain_id, self.world.at.rounds.address, self.study, number, hospital)

    def file(self, number, seat=None, *, word=1, at=0):
        """A vector whose words are zero but for one."""
        words = np.zeros(WORDS, dtype=np.int32)
        words[at] = word
        return vector_bytes(self.header(number, seat), words.view(np.uint32))

    def submit(self, number, seat, **file):
        data = self.file(number, seat, **file)
        mark = bytes([16 * number + seat]) * 32
        update = Update(mark, tree(data).root(), mark, mark, 32 * (seat + 1))
        call = self.world.at.rounds.submit_update(self.study, number, seat, update)
        self.world.hospitals[seat].as_operator.send(call)
        return update

    def submit_all(self, number, wrong=()):
        """Those of `wrong` have a word that their weight does not allow."""
        return [self.submit(number, seat, word=2**31 - 1 if seat in wrong else 1) for seat in range(3)]

    def aggregate(self, number, seats, *, word=None):
        """Of the updates that `submit_all` makes; wrong where `word` is given."""
        data = self.file(number, word=len(seats) if word is None else word)
        included = sum(1 << seat for seat in seats)
        mark = bytes([128 + number]) * 32
        return Aggregate(mark, tree(data).root(), mark, included, sum(32 * (seat + 1) for seat in seats))

    def attest(self, number, aggregate, *seats, left_out=()):
        for seat in seats:
            call = self.world.at.rounds.attest(self.study, number, seat, aggregate, left_out)
            self.world.hospitals[seat].as_operator.send(call)

    def strike(self, number, seat, update, result=bytes(32)):
        data = self.file(number, seat, word=2**31 - 1)
        shown = (update, 1, opening(data, 1))
        self.world.owner.send(self.world.at.proofs.challenge_update(self.study, number, seat, shown, result))

    def refute(self, number, aggregate, updates, *, word, wrong=()):
        shown = [
            (updates[seat], opening(self.file(number, seat, word=2**31 - 1 if seat in wrong else 1), 1))
            for seat in seats_in(aggregate.included)
        ]
        openings = chunk_openings(shown, opening(self.file(number, word=word), 1))
        self.world.owner.send(
            self.world.at.proofs.challenge_chunk(self.study, number, aggregate, 1, openings)
        )

    def paid(self, seat, number, update, result):
        """What a claim for a round pays."""
        call = self.world.at.payouts.claim(self.study, seat, [Earned(number, update, result)])
        receipt = self.world.owner.send(call)
        return [event["amount"] for event in self.world.at.payouts.events(receipt)]

    def told(self, number):
        """The round as events tell it, once it is found to be what the contracts keep."""
        self.world.index.sync()
        at, told = self.world.at, read_round(self.world.index, self.study, number)
        kept = at.rounds.round(self.study, number)
        assert (told.opened_at, told.closed_at, told.outcome) == (
            kept.opened_at,
            kept.closed_at,
            kept.outcome,
        )
        assert (told.submitted, told.attested, told.weight) == (
            kept.submitted,
            kept.attested,
            kept.total_weight,
        )
        assert told.finals_before == kept.finals_before
        absence = at.rounds.absence(self.study, number)
        assert seats_in(absence.struck) == sorted(told.struck)
        assert seats_in(absence.abstained) == sorted(told.abstained)
        assert told.ended_at == at.rounds.standing(self.study, number).ended_at
        assert told.compensation == at.studies.compensation(self.study, number)
        facts, now = told.facts(self.known().terms), self.world.client.head().timestamp
        assert phase_of(facts, now) == at.rounds.standing(self.study, number).phase
        return told

    def known(self):
        """The study as events tell it, once it is found to be what the contracts keep."""
        self.world.index.sync()
        at, told = self.world.at, read_study(self.world.index, self.study)
        kept = at.rounds.study(self.study)
        assert (told.rounds, told.ended_at, told.undone_from) == (kept.round, kept.ended_at, kept.undone_from)
        states = {StudyState.COMPLETED: "completed", StudyState.ABORTED: "aborted"}
        assert told.ended == states.get(kept.state, "")
        assert told.settled_at == kept.settled_at
        assert told.stakes_lost == at.studies.stakes_lost(self.study)
        assert told.released == at.studies.released(self.study)
        assert told.refunded == at.studies.is_refunded(self.study)
        for entry in told.enrolments:
            seat = at.rounds.seat(self.study, entry.seat)
            assert seat.barred_from == told.barred.get(entry.seat, 0)
        return told


def tree(data):
    hasher = ChunkHasher()
    hasher.add(data)
    return hasher


def opening(data, index):
    return Opening(data[512 * index : 512 * (index + 1)], tree(data).proof(index))


def test_a_result_that_leaves_one_out(play):
    """Its author is paid for attesting only, its part stays in the pot, and its stake stays whole."""
    play.begin()
    updates = play.submit_all(1)
    history = play.told(1)
    result = play.aggregate(1, (1, 2))
    shown = history.left_out_updates(result.included)
    assert shown == [updates[0]]
    play.attest(1, result, 1, 2, left_out=shown)
    told = play.told(1)
    assert (told.outcome, told.stands, told.left_out) == (Outcome.FINAL, True, 0b001)
    play.attest(1, result, 0, left_out=shown)
    told, pools = play.told(1), play.known().terms.pools()
    assert told.result_attesters == 0b111
    assert pay_of(play.known().terms, told, 0) == pools.attesters // 3
    play.world.client.travel(60)
    assert play.paid(0, 1, updates[0], result) == [pools.attesters // 3]
    assert play.world.at.vault.burnt(play.world.token.address) == 0
    assert play.known().barred == {}
    assert play.world.at.studies.taken(play.study, 0) == 0


def test_an_update_that_is_struck_in_time(play):
    """It leaves the set, all attest anew, and its author submits no more."""
    play.begin()
    updates = play.submit_all(1, wrong=[0])
    lie = play.aggregate(1, (0, 1, 2))
    play.attest(1, lie, 1)
    play.strike(1, 0, updates[0])
    told = play.told(1)
    assert (set(told.updates), set(told.removed), told.struck) == ({1, 2}, {0}, {0})
    assert (told.attested, told.attesters[lie.digest(play.study, 1)]) == (0, 0b010)
    assert told.compensation == 0
    play.attest(1, play.aggregate(1, (1, 2)), 1, 2)
    told, study = play.told(1), play.known()
    assert told.stands
    assert (study.barred, study.stakes_lost) == ({0: 1}, 0b001)
    assert not study.may_submit(0)
    assert not study.pays(0, 1)
    assert study.pays(1, 1)


def test_a_struck_update_that_leaves_too_few(play):
    """Those that remain are paid from its author's stake, by weight, for the void round."""
    play.begin(min_hospitals=3)
    updates = play.submit_all(1, wrong=[2])
    play.strike(1, 2, updates[2])
    play.world.owner.send(play.world.at.rounds.advance(play.study))
    told = play.told(1)
    assert (told.outcome, told.void, told.result) == (Outcome.VOID, True, None)
    assert told.compensation == min(STAKE // 2, REWARD)
    play.world.client.travel(60)
    terms = play.known().terms
    assert told.unlocked_at(terms) <= play.world.client.head().timestamp
    payouts = play.world.at.payouts
    paid = [told.compensation * (32 * (seat + 1)) // 96 for seat in (0, 1)]
    assert [play.paid(seat, 1, updates[seat], NO_AGGREGATE) for seat in (0, 1)] == [[each] for each in paid]
    with pytest.raises(ContractRevert, match="an update, a claim or an attestation of it was proved wrong"):
        play.world.owner.send(payouts.claim(play.study, 2, [Earned(1, updates[2], NO_AGGREGATE)]))


def test_a_result_with_a_wrong_update_in_it(play):
    """Tainted: whoever attested to it is paid nothing from then on, the others are; the study is over."""
    play.begin(rounds=3)
    updates = play.submit_all(1, wrong=[0])
    result = play.aggregate(1, (0, 1, 2))
    play.attest(1, result, 0, 1)
    play.submit(2, 2)
    play.strike(1, 0, updates[0], result.digest(play.study, 1))
    first, second, study = play.told(1), play.told(2), play.known()
    assert (first.outcome, first.undone, first.result) == (Outcome.TAINTED, True, result)
    assert (first.struck, first.removed, first.answerable) == ({0}, {}, 0b011)
    assert second.void
    assert (study.ended, study.undone_from, study.barred) == ("aborted", 1, {0: 1, 1: 1})
    assert study.stakes_lost == 0b001
    slashed = STAKE * play.world.at.studies.slash_bps() // 10_000
    assert play.world.at.studies.taken(play.study, 1) == slashed
    play.world.client.travel(60)
    payouts = play.world.at.payouts
    play.world.owner.send(payouts.claim(play.study, 2, [Earned(1, updates[2], result)]))
    with pytest.raises(ContractRevert, match="an update, a claim or an attestation of it was proved wrong"):
        play.world.owner.send(payouts.claim(play.study, 1, [Earned(1, updates[1], result)]))


def test_a_result_that_is_wrong_itself(play):
    """Refuted: its attesters lose what is left of their stake, also where they had lost some of it."""
    play.begin(rounds=3)
    updates = play.submit_all(1)
    result = play.aggregate(1, (0, 1, 2), word=77)
    play.attest(1, result, 1, 2)
    play.refute(1, result, updates, word=77)
    told, study = play.told(1), play.known()
    assert (told.outcome, told.answerable, told.result) == (Outcome.REFUTED, 0b110, result)
    assert (study.undone_from, study.barred, study.stakes_lost) == (1, {1: 1, 2: 1}, 0b110)
    assert study.pays(0, 1)
    with pytest.raises(ContractRevert, match="was proved wrong already"):
        play.refute(1, result, updates, word=77)


def test_lies_in_two_rounds_are_both_undone(play):
    """In any order: the earlier one counts for pay, and a study ends once."""
    play.begin(rounds=3)
    made = {}
    for number in (1, 2):
        made[number] = play.submit_all(number), play.aggregate(number, (0, 1, 2), word=77)
        play.attest(number, made[number][1], 0, 1)
    for number in (2, 1):
        updates, result = made[number]
        play.refute(number, result, updates, word=77)
        assert play.told(number).outcome is Outcome.REFUTED
    study = play.known()
    assert (study.undone_from, study.barred) == (1, {0: 1, 1: 1})
    assert play.told(3).void


def test_a_tainted_result_can_be_refuted_as_well(play):
    """What a careless attester kept is lost when the result itself is proved wrong."""
    play.begin(rounds=3)
    updates = play.submit_all(1, wrong=[0])
    wrong = play.aggregate(1, (0, 1, 2), word=77)
    play.attest(1, wrong, 1, 2)
    play.strike(1, 0, updates[0], wrong.digest(play.study, 1))
    assert play.told(1).outcome is Outcome.TAINTED
    play.refute(1, wrong, updates, word=77, wrong=[0])
    assert play.told(1).outcome is Outcome.REFUTED
    assert play.known().stakes_lost == 0b111


def test_a_claim_that_is_proved_wrong(play):
    """Its author is barred from this round on: it is paid nothing for it, leads no more and submits no more, whatever it
    attested to; its round before pays it."""
    play.begin(rounds=3, stake=STAKE // 2, bond=STAKE // 10)
    first, truth = play.submit_all(1), play.aggregate(1, (0, 1, 2))
    play.attest(1, truth, 0, 1)
    updates, claims = play.submit_all(2), play.world.at.claims
    play.world.client.travel(301)
    author = claims.leader(play.study, 2)
    lie = play.aggregate(2, (0, 1, 2), word=77)
    play.world.hospitals[author].as_operator.send(claims.submit_aggregate(play.study, 2, author, lie))
    play.refute(2, lie, updates, word=77)
    study = play.known()
    assert (dict(study.barred), study.stakes_lost, study.ended) == ({author: 2}, 0, "")
    assert (study.pays(author, 1), study.pays(author, 2), study.may_submit(author)) == (True, False, False)
    assert claims.leader(play.study, 2) != author
    right = play.aggregate(2, (0, 1, 2))
    play.attest(2, right, 0, 1, 2)
    assert play.told(2).result_attesters == 0b111
    with pytest.raises(ContractRevert, match=f"A proof was against seat {author}"):
        play.submit(3, author)
    play.world.client.travel(60)
    assert play.paid(author, 1, first[author], truth)
    with pytest.raises(ContractRevert, match="an update, a claim or an attestation of it was proved wrong"):
        play.paid(author, 2, updates[author], right)
    assert unpaid_rounds(play.world.index, study, author) == [1]
    others = [seat for seat in range(3) if seat != author]
    paid = [play.paid(seat, 2, updates[seat], right) for seat in others]
    assert paid == [[pay_of(study.terms, play.told(2), seat)] for seat in others]


def test_who_was_proved_wrong_leads_no_more_when_the_set_changes(play):
    """All others may claim anew; what is told of that is what the contract keeps."""
    play.begin(stake=STAKE // 2, bond=STAKE // 10)
    updates, claims, rounds = play.submit_all(1, wrong=[0]), play.world.at.claims, play.world.at.rounds
    lie, author = play.aggregate(1, (0, 1, 2), word=77), claims.leader(play.study, 1)
    play.world.hospitals[author].as_operator.send(claims.submit_aggregate(play.study, 1, author, lie))
    play.refute(1, lie, updates, word=77, wrong=[0])
    play.strike(1, 0, updates[0])
    contest = read_contest(play.world.index, play.known(), play.told(1))
    kept = claims.contest(play.study, 1)
    assert author == 1
    assert (
        (contest.authors, contest.used, contest.era) == (0b010, 0, 1) == (kept.authors, kept.used, kept.era)
    )
    assert contest.held_until == kept.held_until
    assert claims.leader(play.study, 1) == 2
    assert dict(play.known().barred) == {0: 1, 1: 1}
    play.attest(1, play.aggregate(1, (1, 2)), 1, 2)
    assert rounds.standing(play.study, 1).phase is Phase.FINAL


class TestSuspended:
    """A hospital that could not submit counts as if it had: the others are not paid more."""

    def suspend(self, play, seat):
        play.world.owner.send(play.world.at.consortium.suspend(play.world.hospitals[seat].id))

    def test_while_a_round_trains(self, play):
        """With its records, as far as a weight may go, in whole steps; and in the next round it is back."""
        play.begin(max_weight=96)
        self.suspend(play, 2)
        updates = [play.submit(1, seat) for seat in (0, 1)]
        play.world.client.travel(600)
        result = play.aggregate(1, (0, 1))
        play.attest(1, result, 0, 1)
        told, study = play.told(1), play.known()
        assert dict(told.kept_away) == {2: 96}
        assert (told.due, told.due_weight) == (3, 192)
        play.world.owner.send(play.world.at.consortium.reinstate(play.world.hospitals[2].id))
        play.world.client.travel(60)
        pools = study.terms.pools()
        due = [pools.updates * 32 * (seat + 1) // 192 + pools.attesters // 3 for seat in (0, 1)]
        assert [play.paid(seat, 1, updates[seat], result) for seat in (0, 1)] == [[each] for each in due]
        assert [pay_of(study.terms, told, seat) for seat in (0, 1)] == due
        play.submit_all(2)
        play.attest(2, play.aggregate(2, (0, 1, 2)), 0, 1)
        assert play.told(2).kept_away == {}

    def test_after_training_is_over(self, play):
        """Who was only silent, or did submit, counts as any other."""
        play.begin()
        updates = [play.submit(1, seat) for seat in (0, 1)]
        play.world.client.travel(601)
        self.suspend(play, 1)
        self.suspend(play, 2)
        play.world.owner.send(play.world.at.consortium.reinstate(play.world.hospitals[1].id))
        result = play.aggregate(1, (0, 1))
        play.attest(1, result, 0, 1)
        assert play.told(1).kept_away == {}
        play.world.client.travel(60)
        pools = play.known().terms.pools()
        assert play.paid(0, 1, updates[0], result) == [pools.updates // 3 + pools.attesters // 2]

    def test_nor_one_that_was_struck(self, play):
        """It was barred by its own fault: a suspension on top takes nothing from the others."""
        play.begin()
        wrong = play.submit(1, 0, word=2**31 - 1)
        self.suspend(play, 0)
        updates = [play.submit(1, seat) for seat in (1, 2)]
        play.strike(1, 0, wrong)
        result = play.aggregate(1, (1, 2))
        play.attest(1, result, 1, 2)
        told = play.told(1)
        assert (dict(told.removed), dict(told.kept_away)) == ({0: wrong}, {})
        play.world.client.travel(60)
        due = pay_of(play.known().terms, told, 2)
        assert play.paid(2, 1, updates[1], result) == [due]
        pools, weights = play.known().terms.pools(), [update.weight for update in updates]
        whole = 2 * sum(weights)
        assert due == (2 * pools.updates * weights[1] + pools.attesters * sum(weights)) // whole
