"""Rounds without a quorum: who claims when, who objects to what, what becomes final, and that nobody honest pays for it."""

from __future__ import annotations

import pytest

from medfed.chain.contracts.disputes import AttemptState
from medfed.nodes.lookout import Lookout
from medfed.protocol.cid import cid_from_digest
from medfed.rounds.audit import audit_study
from medfed.rounds.contests import barred_seats, read_contest
from medfed.rounds.proofs import challenge
from medfed.types import Seat
from tests.nodes import liars
from tests.nodes.federation import DISPUTE, PHASE, STAKE
from tests.nodes.stores import HidingStore

pytestmark = pytest.mark.usefixtures("quiet")

CLAIM = 400
LEADER = 1  # of round 1 among three


def money(world, member):
    found = world.contracts.vault.balance(member.id, world.contracts.development_token.address)
    return found.free + found.locked


def locked(world, member):
    return world.contracts.vault.balance(member.id, world.contracts.development_token.address).locked


def state(world, study, attempt=0):
    return world.contracts.disputes.attempt(study, 1, attempt).state


def contest(world, study):
    return world.contracts.disputes.contest(study, 1)


@pytest.fixture
def closed(world, three):
    """Everybody has submitted, all bytes are public, and nobody has attested."""
    study = liars.submitted(world, three, claim_seconds=CLAIM)
    liars.publish(world, study)
    return study


class TestClaiming:
    def test_the_leader_alone_ends_the_round(self, world, three, closed):
        """From the middle of Aggregating on it claims, makes it final when its window has closed, and has its bond back."""
        before, right = money(world, world.members[LEADER]), liars.truth(world, closed).aggregate
        world.run(three[LEADER], cycles=2)
        assert not contest(world, closed).count
        world.client.travel(PHASE // 2 + 1)
        world.run(three[LEADER], cycles=2)
        assert state(world, closed) is AttemptState.PENDING
        assert locked(world, world.members[LEADER]) == 2 * STAKE
        world.client.travel(CLAIM + 1)
        world.run(three[LEADER], cycles=2)
        assert world.round(closed, 1).result == right
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=3)
        assert locked(world, world.members[LEADER]) == 0
        assert money(world, world.members[LEADER]) > before
        assert audit_study(world.federation(), closed).ok

    def test_others_follow_when_the_leader_is_silent(self, world, three, closed):
        """A little later, so that they do not race."""
        world.client.travel(PHASE // 2 + 1)
        world.run(three[0], cycles=2)
        assert not contest(world, closed).count
        world.client.travel(PHASE // 8)
        world.run(three[0], cycles=2)
        assert world.contracts.disputes.attempt(closed, 1, 0).seat == 0

    def test_the_round_is_not_void_while_a_claim_is_open(self, world, three, closed):
        """Claimed shortly before Aggregating is over: nobody sends what the contract would refuse."""
        world.client.travel(PHASE - 50)
        world.run(three[0], cycles=2)
        world.client.travel(100)
        world.run(*three[:1], cycles=3)
        assert not world.round(closed, 1).void
        world.client.travel(CLAIM)
        world.run(three[0], cycles=2)
        assert world.round(closed, 1).final_at

    @pytest.mark.parametrize("policy", [{"largest_bond": 0}, {"largest_bond": STAKE - 1}])
    def test_a_policy_may_forbid_it(self, world, closed, policy):
        """Then time makes the round void, as before."""
        hospital = world.hospital(world.members[LEADER], **policy)
        world.client.travel(PHASE // 2 + 1)
        world.run(hospital, cycles=2)
        assert not contest(world, closed).count
        world.client.travel(PHASE)
        world.run(hospital, cycles=2)
        assert world.round(closed, 1).void

    def test_without_free_balance_nothing_is_sent(self, world, three, closed):
        member, token = world.members[LEADER], world.contracts.development_token.address
        free = world.contracts.vault.balance(member.id, token).free
        world.send(member.admin, world.contracts.vault.request_exit(token, free))
        world.client.travel(PHASE // 2 + 1)
        world.run(three[LEADER], cycles=2)
        assert not contest(world, closed).count
        told = (member.home / "audit.jsonl").read_text()
        assert "are free in the vault" in told

    def test_studies_without_attempts_know_no_claims(self, world, three):
        study = liars.submitted(world, three, max_attempts=0)
        liars.publish(world, study)
        world.client.travel(PHASE - 10)
        world.run(three[0], cycles=2)
        assert not contest(world, study).count


class TestObjecting:
    @pytest.mark.parametrize("lie", ["first", "model", "withheld"])
    def test_a_wrong_claim_never_becomes_final(self, world, three, closed, lie):
        """One honest hospital is enough: it objects for free, claims the truth next, and the liar pays its bond."""
        before = [money(world, member) for member in world.members]
        right = liars.truth(world, closed).aggregate
        liar = liars.claim(world, closed, liars.forged_aggregate(world, closed, lie))
        honest = three[0]
        world.run(honest, cycles=2)
        assert (liar, state(world, closed)) == (LEADER, AttemptState.OBJECTED)
        world.client.travel(PHASE // 2 + PHASE // 8 + 1)
        world.run(honest, cycles=2)
        world.client.travel(CLAIM + 1)
        world.run(honest, cycles=2)
        assert world.round(closed, 1).result == right
        world.client.travel(DISPUTE + 1)
        world.run(honest, three[2], cycles=3)
        assert state(world, closed) is AttemptState.SETTLED
        lost = [max(0, old - money(world, member)) for old, member in zip(before, world.members, strict=True)]
        assert lost == [0, STAKE, 0]

    def test_bytes_that_cannot_be_had_are_waited_for_half_the_window(self, world, three, closed):
        hidden = HidingStore(world.folder / "store")
        hidden.hidden = {cid_from_digest(world.round(closed, 1).updates[2].cid)}
        world.members[0].store = hidden
        honest = world.hospital(world.members[0])
        liars.claim(world, closed, liars.truth(world, closed).aggregate)
        world.run(honest, cycles=2)
        assert state(world, closed) is AttemptState.PENDING
        world.client.travel(CLAIM // 2 + 1)
        world.run(honest, cycles=2)
        assert state(world, closed) is AttemptState.OBJECTED

    def test_a_true_claim_is_left_alone(self, world, three, closed):
        liars.claim(world, closed, liars.truth(world, closed).aggregate)
        world.run(three[0], cycles=2)
        world.client.travel(CLAIM // 2 + 1)
        world.run(three[0], cycles=2)
        assert state(world, closed) is AttemptState.PENDING

    def test_the_second_lie_is_told_when_no_objection_is_left(self, world, three, closed):
        """A hospital objects once in a round; the audit log says that the next lie needs somebody else."""
        wrong = liars.forged_aggregate(world, closed, "first")
        for _ in range(2):
            liars.claim(world, closed, wrong)
            world.run(three[2], cycles=2)
        assert state(world, closed, 1) is AttemptState.PENDING
        assert "has objected before" in (world.members[2].home / "audit.jsonl").read_text()


class TestAfterAStrike:
    def test_everybody_attests_anew(self, world, three):
        """An attestation that was lost with an update that left the set is made again, over the rest."""
        study = liars.submitted(world, three, honest=three[:2], claim_seconds=CLAIM)
        update = liars.forged_update(world, study, world.members[2], "bound")
        liars.submit(world, study, world.members[2], update)
        liars.publish(world, study)
        world.run(three[0], cycles=2)
        before = world.round(study, 1).attested
        lookout = Lookout(world.federation())
        found = next(lookout.look(world.study(study), world.client.head().timestamp))
        world.send(world.sponsor, challenge(world.contracts.disputes, found.place, found.proof))
        assert (before, world.round(study, 1).attested) == (1, 0)
        world.run(*three[:2], cycles=2)
        assert world.round(study, 1).attested == 0b011
        assert world.round(study, 1).final_at


class TestAbsences:
    def test_those_that_were_there_record_the_silent(self, world, three):
        study = liars.submitted(world, three, honest=three[:2])
        world.client.travel(PHASE + 3)
        world.run(*three[:2], cycles=4)
        (event,) = world.index.events("AbsenceSlashed", study=study)
        assert (event["seat"], event["round"]) == (Seat(2), 1)

    def test_nothing_is_recorded_where_all_were_there(self, world, three, closed):
        world.run(*three, cycles=4)
        assert not world.index.events("AbsenceWarned", study=closed)
        assert not world.index.events("AbsenceSlashed", study=closed)


class TestTheIndexKnowsTheContest:
    def test_after_lies_objections_and_proofs(self, world, three, closed):
        """What the daemons read from events is what the contract keeps."""
        liars.claim(world, closed, liars.forged_aggregate(world, closed, "first"))
        world.run(three[0], cycles=2)
        liars.claim(world, closed, liars.forged_aggregate(world, closed, "last"))
        history, study = world.round(closed, 1), world.study(closed)
        book, kept = read_contest(world.index, study, history), contest(world, closed)
        assert (len(book.claims), book.used, book.era, book.held_until, book.authors) == (
            kept.count,
            kept.used,
            kept.era,
            kept.held_until,
            kept.authors,
        )
        assert barred_seats(world.index, study) == world.contracts.disputes.barred(closed)
