"""Rounds without a quorum: who claims when, who objects to what, what becomes final, and that nobody honest pays for it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from medfed.chain.contracts.claims import AttemptState
from medfed.nodes.lookout import Lookout
from medfed.protocol.cid import cid_from_digest
from medfed.rounds.audit import audit_study
from medfed.rounds.contests import pending, read_contest
from medfed.rounds.proofs import challenge
from medfed.types import Seat
from tests.nodes import liars
from tests.nodes.federation import BOND, DISPUTE, PHASE, STAKE
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
    return world.contracts.claims.attempt(study, 1, attempt).state


def contest(world, study):
    return world.contracts.claims.contest(study, 1)


def strike(world, study):
    """Somebody proves the first thing that is wrong."""
    lookout = Lookout(world.federation())
    found = next(lookout.look(world.study(study), world.client.head().timestamp))
    call = challenge(world.contracts.proofs, found.place, found.proof, found.result)
    world.send(world.sponsor, call)


def sent_by(member):
    lines = [json.loads(line) for line in (member.home / "audit.jsonl").read_text().splitlines()]
    return [line["event"] for line in lines if "transaction" in line]


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
        assert locked(world, world.members[LEADER]) == STAKE + BOND
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
        assert world.contracts.claims.attempt(closed, 1, 0).seat == 0

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

    def test_nothing_is_final_by_time_while_most_are_suspended(self, world, three, closed):
        """They could not object while it waited; the daemon says so once, and a quorum ends the round when they are back."""
        world.client.travel(PHASE // 2 + 1)
        world.run(three[LEADER], cycles=2)
        for member in (world.members[0], world.members[2]):
            world.send(world.consortium, world.contracts.consortium.suspend(member.id))
        world.client.travel(CLAIM + 1)
        world.run(three[LEADER], cycles=3)
        assert state(world, closed) is AttemptState.PENDING
        told = (world.members[LEADER].home / "audit.jsonl").read_text()
        assert told.count("Fewer than two thirds of the submitters") == 1
        world.send(world.consortium, world.contracts.consortium.reinstate(world.members[0].id))
        world.run(three[0], cycles=2)
        assert world.round(closed, 1).final_at
        assert state(world, closed) is AttemptState.PENDING
        assert audit_study(world.federation(), closed).ok

    def test_who_was_proved_wrong_claims_no_more_and_submits_no_more(self, world, three):
        """The next one's turn comes at once; in the next round the others abstain for it."""
        study = liars.submitted(world, three, claim_seconds=CLAIM, rounds=2)
        liars.publish(world, study)
        liars.claim(world, study, liars.forged_aggregate(world, study, "first"))
        strike(world, study)
        assert dict(world.study(study).barred) == {LEADER: 1}
        world.client.travel(PHASE // 2 + PHASE // 8 + 1)
        world.run(three[LEADER], cycles=2)
        assert contest(world, study).count == 1
        world.run(three[2], cycles=2)
        assert world.contracts.claims.attempt(study, 1, 1).seat == 2
        world.client.travel(CLAIM + 1)
        world.run(three[0], three[2], cycles=4)
        assert world.round(study, 1).stands
        world.run(three[0], three[2], cycles=4)
        assert world.round(study, 2).abstained == {LEADER}
        assert world.study(study).ended == "completed"

    @pytest.mark.parametrize("policy", [{"largest_bond": 0}, {"largest_bond": BOND - 1}])
    def test_a_policy_may_forbid_it(self, world, closed, policy):
        """Then time makes the round void, as before."""
        hospital = world.hospital(world.members[LEADER], **policy)
        world.client.travel(PHASE // 2 + 1)
        world.run(hospital, cycles=2)
        assert not contest(world, closed).count
        world.client.travel(PHASE)
        world.run(hospital, cycles=2)
        assert world.round(closed, 1).void

    def test_without_an_allowance_nothing_is_sent(self, world, three, closed):
        member = world.members[LEADER]
        world.allow(member, STAKE + BOND - 1)
        world.client.travel(PHASE // 2 + 1)
        world.run(three[LEADER], cycles=2)
        assert not contest(world, closed).count
        assert (
            "a bond of 0.00025 MFT, and its daemon may lock 0.000249 MFT more: `medfed vault allow 0.00075 --keystore ADMIN`"
            in (member.home / "audit.jsonl").read_text()
        )

    def test_without_free_balance_nothing_is_sent(self, world, three, closed):
        member, token = world.members[LEADER], world.contracts.development_token.address
        free = world.contracts.vault.balance(member.id, token).free
        world.send(member.admin, world.contracts.vault.withdraw(member.id, token, free, member.id))
        world.client.travel(PHASE // 2 + 1)
        world.run(three[LEADER], cycles=2)
        assert not contest(world, closed).count
        told = (member.home / "audit.jsonl").read_text()
        assert "0 MFT are free in the vault: `medfed vault deposit 0.00025 --keystore ADMIN`" in told

    def test_studies_without_attempts_know_no_claims(self, world, three):
        study = liars.submitted(world, three, max_attempts=0)
        liars.publish(world, study)
        world.client.travel(PHASE - 10)
        world.run(three[0], cycles=2)
        assert not contest(world, study).count


class TestObjecting:
    @pytest.mark.parametrize(
        ("lie", "bond", "after"),
        [
            ("first", BOND, AttemptState.SETTLED),
            ("withheld", BOND, AttemptState.SETTLED),
            ("model", 0, AttemptState.OBJECTED),
        ],
    )
    def test_a_wrong_claim_never_becomes_final(self, world, three, closed, lie, bond, after):
        """One honest hospital is enough: it objects for free, claims the truth next, and who lied about the vector pays its
        bond."""
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
        assert state(world, closed) is after
        lost = [max(0, old - money(world, member)) for old, member in zip(before, world.members, strict=True)]
        assert lost == [0, bond, 0]

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

    def test_an_objection_is_to_the_claim_that_was_looked_at(self, world, three, closed):
        """Where that one is over by now and the truth is claimed, it does not turn against the truth."""
        liars.claim(world, closed, liars.forged_aggregate(world, closed, "first"))
        study, history = world.study(closed), world.round(closed, 1)
        book = read_contest(world.index, study, history)
        world.run(three[2])  # objects
        liars.claim(world, closed, liars.truth(world, closed).aggregate)
        three[0]._claiming._object(study.entry(Seat(0)), book, pending(book), "it was wrong")
        assert state(world, closed, 1) is AttemptState.PENDING

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
        strike(world, study)
        assert (before, world.round(study, 1).attested) == (1, 0)
        world.run(*three[:2], cycles=2)
        assert world.round(study, 1).attested == 0b011
        assert world.round(study, 1).final_at

    def test_who_remains_is_paid_when_too_few_do(self, world, three):
        """Its update was published for nothing: what the struck stake left for that is claimed like pay."""
        study = liars.submitted(world, three, honest=three[:1], max_voids=0)
        liars.submit(
            world, study, world.members[1], liars.forged_update(world, study, world.members[1], "bound")
        )
        world.client.travel(PHASE + 3)
        liars.publish(world, study)
        strike(world, study)
        world.run(three[0], cycles=2)
        assert (world.round(study, 1).void, world.study(study).ended) == (True, "aborted")
        world.client.travel(DISPUTE + 1)
        world.run(three[0], cycles=3)
        (paid,) = world.index.events("Claimed", study=study)
        assert (paid["round"], paid["seat"], paid["amount"]) == (1, 0, STAKE // 2)

    def test_a_barred_hospital_claims_and_releases_and_nothing_else(self, world, three):
        """It was honest in round 1 and lied in round 2; in round 3 the others abstain for it."""
        study = liars.submitted(world, three, rounds=3)
        liars.publish(world, study)
        while not world.round(study, 2).updates.keys() >= {0, 1}:
            world.run(*three[:2])
        liar = world.members[2]
        liars.submit(world, study, liar, liars.forged_update(world, study, liar, "bound", 2), 2)
        while not world.round(study, 3).opened_at:
            world.run(*three[:2])
        strike(world, study)
        before = sent_by(liar)
        world.run(*three, cycles=6)
        assert world.study(study).ended == "completed"
        assert world.round(study, 3).abstained == {2}
        assert sent_by(liar) == before
        world.client.travel(DISPUTE + 1)
        world.run(three[2], cycles=3)
        assert sent_by(liar) == [*before, "claim", "release"]
        assert [event["round"] for event in world.index.events("Claimed", study=study, seat=2)] == [1]


class TestAbsences:
    def test_those_that_were_there_record_the_silent(self, world, three):
        study = liars.submitted(world, three, honest=three[:2])
        world.client.travel(PHASE + 3)
        world.run(*three[:2], cycles=4)
        (event,) = world.index.events("AbsencesRecorded", study=study)
        assert (event["round"], event["warned"], event["slashed"]) == (1, 0, 0b100)

    def test_nothing_is_recorded_where_all_were_there(self, world, three, closed):
        world.run(*three, cycles=4)
        assert not world.index.events("AbsencesRecorded", study=closed)


class TestTheIndexKnowsTheContest:
    def test_after_lies_objections_and_proofs(self, world, three, closed):
        """What the daemons read from events is what the contract keeps."""
        liars.claim(world, closed, liars.forged_aggregate(world, closed, "first"))
        world.run(three[0], cycles=2)
        liars.claim(world, closed, liars.forged_aggregate(world, closed, "last"))
        history, study = world.round(closed, 1), world.study(closed)
        book, kept = read_contest(world.index, study, history), contest(world, closed)
        told = (
            len(book.claims),
            book.used,
            book.era,
            book.held_until,
            book.authors,
            book.objectors,
            book.lacking,
        )
        assert told == tuple(asdict(kept).values())
