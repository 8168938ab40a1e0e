"""What is told of a round's claims, objections and absences is what the contracts keep, and what they would do next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.chain.client import connect
from medfed.chain.contracts.claims import AttemptState
from medfed.chain.contracts.consortium import HospitalStatus
from medfed.chain.history import is_active, was_suspended
from medfed.errors import ContractRevert, ProtocolError
from medfed.rounds.contests import due_absences, pending, read_contest, settle_call
from medfed.rounds.history import read_round, read_study
from tests.chain.conftest import funded
from tests.chain.world import World, aggregate_of, update_of

PHASE, CLAIM, DISPUTE = 600, 60, 60
SHARED = [HealthCheck.function_scoped_fixture]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One deployment for the file; each study stakes two units, so that there may be many."""
    return World(connect("embedded:"), tmp_path_factory.mktemp("world"))


def begun(world, **terms):
    return world.running(stake=2, bond=1, max_voids=2, **terms)


def submit(world, study, *seats, number=1):
    for seat in seats:
        hospital = world.hospitals[seat]
        call = world.at.rounds.submit_update(study, number, seat, update_of(hospital, number))
        hospital.as_operator.send(call)


def book(world, study, number=1):
    """A round's contest as it is told, once it is found to be what the contract keeps."""
    world.index.sync()
    history = read_round(world.index, study, number)
    found, kept = read_contest(world.index, read_study(world.index, study), history), world.at.claims
    stored = kept.contest(study, number)
    assert (len(found.claims), found.used, found.era) == (stored.count, stored.used, stored.era)
    assert (found.held_until, found.authors) == (stored.held_until, stored.authors)
    assert (found.objectors, found.lacking) == (stored.objectors, stored.lacking)
    for attempt, claim in enumerate(found.claims):
        stored_claim = kept.attempt(study, number, attempt)
        assert (claim.state, claim.seat, claim.era) == (
            stored_claim.state,
            stored_claim.seat,
            stored_claim.era,
        )
        assert (claim.challenger, claim.objector) == (stored_claim.challenger, stored_claim.objector)
    return found


def claim(world, study, number=1):
    seat = world.at.claims.leader(study, number)
    call = world.at.claims.submit_aggregate(study, number, seat, aggregate_of(number))
    world.hospitals[seat].as_operator.send(call)
    return seat


class TestObjections:
    def test_of_submitters_are_those_of_their_operators_at_the_time(self, world):
        """Free for the old operator before it is rotated and for the new one after; a seat objects once."""
        study = begun(world)
        submit(world, study, 0, 1, 2)
        author = claim(world, study)
        first, second = (hospital for hospital in world.hospitals if hospital.seat != author)
        first.as_operator.send(world.at.claims.object(study, 1, 0))
        assert book(world, study).objectors == 1 << first.seat
        fresh = funded(world.client)
        second.as_admin.send(
            world.at.consortium.rotate_operator(second.id, fresh.address, world.pledge(fresh, second.id))
        )
        second.operator, old = fresh, second.operator
        second.as_operator = type(second.as_operator)(world.client, fresh)
        claim_by = world.at.claims.leader(study, 1)
        world.hospitals[claim_by].as_operator.send(
            world.at.claims.submit_aggregate(study, 1, claim_by, aggregate_of(1))
        )
        second.as_operator.send(world.at.claims.object(study, 1, 1))
        found = book(world, study)
        assert found.objectors == 1 << first.seat | 1 << second.seat
        assert old.address != fresh.address
        assert pending(found) is None

    def test_of_nobody_without_a_bond_cannot_have_happened(self, world):
        """An event that says so is refused: the contract asks everybody else for a bond."""
        study = begun(world)
        submit(world, study, 0, 1, 2)
        author = claim(world, study)
        objector = next(hospital for hospital in world.hospitals if hospital.seat != author)
        objector.as_operator.send(world.at.claims.object(study, 1, 0))
        found = book(world, study)
        (event,) = world.index.events("Objected", study=study)
        forged = replace(event, values={**event.values, "objector": world.sponsor.address})
        made = world.index.events("AttemptMade", study=study)
        again = replace(found, claims=[], used=0, authors=0, objectors=0, held_until=0)
        with pytest.raises(ProtocolError, match="objected without a bond"):
            again.replay([*made, forged])


class TestSettling:
    def test_waits_for_the_round_and_its_window(self, world):
        study = begun(world)
        submit(world, study, 0, 1, 2)
        author = claim(world, study)
        found = book(world, study)
        assert found.settlement(found.claims[0], world.client.head().timestamp) is None
        result = aggregate_of(1)
        for hospital in world.hospitals[:2]:
            hospital.as_operator.send(world.at.rounds.attest(study, 1, hospital.seat, result))
        found = book(world, study)
        unlocked = found.history.unlocked_at(found.study.terms)
        assert found.settlement(found.claims[0], unlocked - 1) is None
        with pytest.raises(ContractRevert) as refused:
            world.owner.send(settle_call(world.at.claims, found, 0))
        assert refused.value.name == "BondLocked"
        world.client.travel(DISPUTE)
        assert found.settlement(found.claims[0], unlocked) == (0, 0)
        world.owner.send(settle_call(world.at.claims, found, 0))
        assert book(world, study).claims[0].state is AttemptState.SETTLED
        assert author == found.claims[0].seat


ACTS = st.sampled_from(["silent", "abstain", "idle", "attest", "lack"])


@settings(max_examples=25, deadline=None, suppress_health_check=SHARED)
@given(acts=st.tuples(ACTS, ACTS, ACTS), suspended=st.sets(st.integers(0, 2)), claimed=st.booleans())
def test_absences_are_those_that_the_contract_records(world, acts, suspended, claimed):
    """Whoever was silent, or idle in a round that failed by time; nobody suspended, nobody where nobody submitted."""
    study = begun(world)
    submitters = [seat for seat in range(3) if acts[seat] not in ("silent", "abstain")]
    submit(world, study, *submitters)
    for seat in range(3):
        if acts[seat] == "abstain":
            world.hospitals[seat].as_operator.send(world.at.rounds.abstain(study, 1, seat))
    world.client.travel(PHASE)
    if len(submitters) >= 2:
        play(world, study, acts, submitters, claimed=claimed)
    for seat in suspended:
        world.owner.send(world.at.consortium.suspend(world.hospitals[seat].id))
        world.owner.send(world.at.consortium.reinstate(world.hospitals[seat].id))
    world.client.travel(PHASE + 2 * CLAIM)
    world.owner.send(world.at.rounds.advance(study))
    book(world, study)
    due = due_absences(world.index, read_study(world.index, study), read_round(world.index, study, 1))
    try:
        receipt = world.owner.send(world.at.claims.record_absences(study, 1))
    except ContractRevert as exc:
        assert (exc.name, due) == ("NothingToRecord", 0)
        return
    (event,) = (e for e in world.at.studies.events(receipt) if e.name == "AbsencesRecorded")
    assert event["warned"] | event["slashed"] == due
    world.index.sync()
    assert due_absences(world.index, read_study(world.index, study), read_round(world.index, study, 1)) == 0


def play(world, study, acts, submitters, *, claimed):
    """What each submitter does for the round, which stays without a quorum."""
    for seat in submitters:
        operator, mark = world.hospitals[seat].as_operator, aggregate_of(1)
        if acts[seat] == "attest":
            weight = sum(update_of(world.hospitals[each], 1).weight for each in submitters)
            included = sum(1 << each for each in submitters)
            own = replace(mark, root=bytes([seat + 1]) * 32, included=included, weight=weight)
            operator.send(world.at.rounds.attest(study, 1, seat, own))
        elif acts[seat] == "lack":
            other = next(each for each in submitters if each != seat)
            operator.send(world.at.claims.lack(study, 1, seat, 1 << other))
    if claimed and len(submitters) == 3:
        author = claim(world, study)
        other = next(seat for seat in range(3) if seat != author)
        world.hospitals[other].as_operator.send(world.at.claims.object(study, 1, 0))


@settings(max_examples=10, deadline=None, suppress_health_check=SHARED)
@given(pauses=st.lists(st.integers(0, 3), min_size=1, max_size=5))
def test_suspensions_are_those_that_the_contract_knows(world, pauses):
    """At every second of a history of suspensions, some of them within one second."""
    hospital, consortium = world.hospitals[0].id, world.at.consortium
    start = world.client.head().timestamp
    for number, seconds in enumerate(pauses):
        if seconds:
            world.client.travel(seconds)
        world.owner.send(consortium.reinstate(hospital) if number % 2 else consortium.suspend(hospital))
        world.index.sync()
        active = consortium.hospital(hospital).status is HospitalStatus.ACTIVE
        assert is_active(world.index, hospital, (world.client.head().number + 1, 0)) == active
    if len(pauses) % 2:
        world.owner.send(consortium.reinstate(hospital))
    world.client.travel(5)
    world.index.sync()
    end = world.client.head().timestamp
    for first in range(start - 1, end, 3):
        for last in (first, first + 1, first + 5, end):
            told = was_suspended(world.index, hospital, first, last)
            assert told == consortium.was_suspended(hospital, first, min(last, end))
