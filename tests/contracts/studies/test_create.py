"""`create`: which terms a study may have, and what posting one does."""

from __future__ import annotations

import pytest

from tests.contracts.facts import told
from tests.rig.world import REWARD, SPEC, STAKE, vector

DAY = 86_400
PHASE_LIMIT, STUDY_LIMIT = 90 * DAY, 5 * 365 * DAY
SUM_LIMIT = 2**31
EIGHT = [vector() for _ in range(8)]
NO_ONE = "0x" + "00" * 20


def test_a_deadline_lies_ahead_and_within_the_longest_phase(evm, world):
    """A stake that waits for a study to open is free again within it."""
    with evm.reverts("DeadlinePassed", evm.now, evm.now):
        world.create(enrolDeadline=evm.now)
    with evm.reverts("PhaseLengthOutOfRange", PHASE_LIMIT + 1, 0, PHASE_LIMIT):
        world.create(enrolDeadline=evm.now + PHASE_LIMIT + 1)
    world.create(enrolDeadline=evm.now + PHASE_LIMIT)
    world.create(enrolDeadline=evm.now + 1)


SHORT = {"maxAttempts": 0, "maxHospitals": 2, "rounds": 1, "maxVoids": 0}


@pytest.mark.parametrize("name", ["trainingSeconds", "aggregatingSeconds", "claimSeconds"])
def test_phases_are_bounded(evm, world, name):
    for length in (9, PHASE_LIMIT + 1):
        with evm.reverts("PhaseLengthOutOfRange", length, 10, PHASE_LIMIT):
            world.create(**{**SHORT, name: length})
    for length in (10, PHASE_LIMIT):
        world.create(**{**SHORT, name: length})


def test_the_dispute_window_is_bounded(evm, world):
    for length in (9, PHASE_LIMIT + 1):
        with evm.reverts("DisputeLengthOutOfRange", length, 10, PHASE_LIMIT):
            world.create(disputeSeconds=length)
    for length in (10, PHASE_LIMIT):
        world.create(disputeSeconds=length)


@pytest.mark.parametrize(("least", "most"), [(1, 4), (0, 4), (5, 4), (2, 65), (65, 65)])
def test_seats_are_bounded(evm, world, least, most):
    with evm.reverts("HospitalsOutOfRange", least, most, 64):
        world.create(minHospitals=least, maxHospitals=most)


@pytest.mark.parametrize(("rounds", "voids"), [(0, 1), (1, 255), (65_535, 0), (65_534, 1), (65_281, 254)])
def test_no_counter_of_rounds_overflows(evm, world, rounds, voids):
    """Neither that of void ones, nor that of all that can open."""
    with evm.reverts("RoundsOutOfRange", rounds, voids, 65_535):
        world.create(rounds=rounds, maxVoids=voids)


def test_no_stake_is_locked_for_longer_than_five_years(evm, world):
    """With every phase used up by whoever means ill: Training, Aggregating, each claim twice its window, and each update
    that leaves the set giving all that anew."""
    given = {
        "rounds": 12,
        "maxVoids": 2,
        "trainingSeconds": 30 * DAY,
        "aggregatingSeconds": 20 * DAY,
        "claimSeconds": 2 * DAY,
        "maxAttempts": 4,
        "minHospitals": 2,
        "maxHospitals": 6,
    }
    longest = 14 * (30 * DAY + 20 * DAY + (4 + 1) * 4 * 2 * 2 * DAY + 4 * 2 * DAY)
    with evm.reverts("StudyTooLong", longest, STUDY_LIMIT):
        world.create(**given)
    world.create(**(given | {"maxAttempts": 0}))
    exact = {**SHORT, "trainingSeconds": 65 * DAY, "aggregatingSeconds": 8 * DAY}
    world.create(**(exact | {"rounds": 20, "maxVoids": 5, "minHospitals": 2, "maxHospitals": 2}))
    with evm.reverts("StudyTooLong", STUDY_LIMIT + 25, STUDY_LIMIT):
        world.create(**(exact | {"rounds": 20, "maxVoids": 5, "trainingSeconds": 65 * DAY + 1}))


@pytest.mark.parametrize("step", [0, 401])
def test_the_cohort_step_is_bounded(evm, world, step):
    with evm.reverts("CohortStepOutOfRange", step, 400):
        world.create(cohortStep=step)


@pytest.mark.parametrize(("attesters", "patients"), [(5001, 0), (3000, 2001), (0, 5001)])
def test_what_is_set_aside_is_at_most_half(evm, world, attesters, patients):
    with evm.reverts("ShareOutOfRange", attesters + patients, 5000):
        world.create(attesterBps=attesters, patientBps=patients)


def test_the_sponsors_fees_are_at_most_all(evm, world):
    with evm.reverts("ShareOutOfRange", 10_001, 10_000):
        world.create(sponsorFeeBps=10_001)


def test_the_pot_has_room_for_a_compensation_in_each_void_round(evm, world):
    most = (2**96 - 1) // (2 + 3 + 1)
    with evm.reverts("RewardOutOfRange", most + 1, most):
        world.create(rewardPerRound=most + 1, rounds=2, maxVoids=3)


def test_weights_do_not_wrap(evm, world):
    with evm.reverts("SumCouldWrap", 4, 2**29, 1):
        world.create(maxWeight=2**29, training=[vector(weighted=False)])
    world.create(maxWeight=2**29 - 1, training=[vector(weighted=False)])


@pytest.mark.parametrize("kind", ["training", "statistics"])
def test_an_update_has_up_to_eight_vectors(evm, world, kind):
    with evm.reverts("VectorsOutOfRange", 9, 0, 8):
        world.create(**{kind: [*EIGHT, vector()]})
    world.create(**{kind: EIGHT})


def test_there_is_something_to_train(evm, world):
    """Statistics alone are no study."""
    for statistics in ([], EIGHT):
        with evm.reverts("VectorsOutOfRange", 0, 1, 8):
            world.create(training=[], statistics=statistics)


@pytest.mark.parametrize("kind", ["training", "statistics"])
@pytest.mark.parametrize("place", [0, 7])
def test_each_vector_is_judged(evm, world, kind, place):
    def with_(*parts):
        return {kind: [*EIGHT[:place], vector(*parts), *EIGHT[place + 1 :]]}

    for words, steps in ((0, 1), (1, 0)):
        with evm.reverts("VectorEmpty", words, steps):
            world.create(**with_(words, steps))
    largest = (SUM_LIMIT - 1) // (4 * 400)
    with evm.reverts("SumCouldWrap", 4, 400, largest + 1):
        world.create(**with_(1, largest + 1))
    with evm.reverts("SumCouldWrap", 4, 1, 2**29):
        world.create(**with_(1, 2**29, False))
    world.create(**with_(2**32 - 1, largest))
    world.create(**with_(2**32 - 1, 2**29 - 1, False))


def test_a_rule_that_counts_hospitals_takes_no_weighted_vector(evm, world):
    rule = evm.deploy("MedianRule")
    for terms in ({"training": [vector()]}, {"training": [vector(weighted=False)], "statistics": [vector()]}):
        with evm.reverts("RuleNotWeighted", rule):
            world.create(rule=rule, **terms)
    world.create(rule=rule, training=[vector(weighted=False)])


def test_attempts_are_bounded_and_have_a_bond(evm, world):
    with evm.reverts("AttemptsOutOfRange", 17, 16):
        world.create(maxAttempts=17)
    for bond in (0, STAKE // 2 + 1):
        with evm.reverts("BondOutOfRange", bond, STAKE // 2):
            world.create(bond=bond)
    world.create(maxAttempts=0, bond=0)
    world.create(maxAttempts=16, bond=1)


def test_a_rule_that_judges_no_chunk_leaves_all_to_the_quorum(evm, world):
    rule = evm.deploy("QuorumOnlyRule")
    terms = {"rule": rule, "training": [vector(weighted=rule.weighted())]}
    with evm.reverts("RuleNotPerChunk", rule):
        world.create(**terms)
    world.create(**terms, maxAttempts=0)


@pytest.mark.parametrize(
    ("purposes", "error"),
    [(0, "AmbiguousRequest"), (0b110, "AmbiguousRequest"), (1 << 31, "UndefinedPurposes")],
)
def test_a_study_has_one_purpose(evm, world, purposes, error):
    with evm.reverts(error):
        world.create(purposes=purposes)


def create_in(world, token):
    return world.studies.create(world.terms() | {"token": token}, sender=world.sponsor)


def test_rewards_come_in_an_allowed_token_in_full_and_while_nothing_is_paused(evm, world):
    for other in (world.stranger, NO_ONE):
        with evm.reverts("TokenNotAllowed", other):
            create_in(world, other)
    token = evm.deploy("FeeToken", 100)
    world.vault.allowToken(token, True)
    token.mint(world.sponsor, 10**6)
    token.approve(world.vault, 10**6, sender=world.sponsor)
    with evm.reverts("FundedShort", 2 * REWARD - 18, 2 * REWARD):
        create_in(world, token)
    with evm.reverts("ERC20InsufficientBalance"):
        world.create(rewardPerRound=10**9)
    world.vault.pause()
    with evm.reverts("EnforcedPause"):
        world.create()


def test_all_is_kept_and_told(evm, world):
    before = world.studies.studyCount()
    held = world.token.balanceOf(world.vault), world.token.balanceOf(world.sponsor)
    terms = world.terms(
        attesterBps=1234,
        patientBps=2345,
        sponsorFeeBps=3456,
        scoreMode=2,
        disease=7,
        training=[vector(5, 6), vector(7, 8, False), vector(9, 10), vector(11, 12)],
        statistics=[vector(13, 14, False)],
    )
    receipt = world.studies.create(terms, sender=world.sponsor)
    study = receipt.value
    assert study == before + 1 == world.studies.studyCount()
    names = [(event.name, event.args.get("study")) for event in receipt.events]
    assert names == [("StudyCreated", study), ("Funded", study), ("Transfer", None)]
    created, funded, _ = told(receipt)
    assert created[1]["sponsor"] == world.sponsor.address
    shown = created[1]["terms"]._asdict()
    for kind in ("training", "statistics"):
        assert [vector_._asdict() for vector_ in shown.pop(kind)] == terms[kind]
        kept = world.studies.vectorsOf(study, kind == "statistics")
        assert [vector_._asdict() for vector_ in kept] == terms.pop(kind)
    terms = {name: getattr(value, "address", value) for name, value in terms.items()}
    assert shown == terms
    names = {"study": study, "token": world.token.address, "from": world.sponsor.address}
    assert funded[1] == names | {"amount": 2 * REWARD}
    stored = (
        world.studies.getOffer(study)._asdict()
        | world.rounds.getStudy(study)._asdict()
        | world.rounds.getEnrolment(study)._asdict()
    )
    assert {name: stored[name] for name in terms} == terms
    others = {name: value for name, value in stored.items() if name not in terms}
    untouched = {"members", "round", "finals", "voids", "undoneFrom", "endedAt", "refunded", "released"}
    assert others == {"state": 1, "sponsor": world.sponsor.address} | dict.fromkeys(untouched, 0)
    assert tuple(world.vault.potOf(study)) == (world.token.address, 2 * REWARD)
    now = world.token.balanceOf(world.vault), world.token.balanceOf(world.sponsor)
    assert now == (held[0] + 2 * REWARD, held[1] - 2 * REWARD)


def test_a_rewards_parts_are_rounded_towards_the_updates(world):
    study = world.create(rewardPerRound=997, attesterBps=3333, patientBps=1001)
    pools = world.studies.poolsOf(study)
    assert (pools.attesters, pools.patients, pools.updates) == (332, 99, 997 - 332 - 99)


def test_narrow_views_tell_what_the_whole_does(world):
    study = world.create(scoreMode=1)
    assert tuple(world.rounds.stakeOf(study)) == (world.token.address, STAKE)
    assert world.rounds.sponsorOf(study) == world.sponsor.address
    assert world.rounds.getEnrolment(study).spec == SPEC
    offer = world.studies.getOffer(study)
    assert world.studies.bondOf(study) == offer.bond
    assert tuple(world.studies.claimTermsOf(study)) == (offer.bond, offer.claimSeconds, offer.maxAttempts)
    assert world.studies.ruleOf(study) == offer.rule
    assert world.studies.vectorsOf(study, True) == world.studies.vectorsOf(study, False)
    assert world.studies.poolsOf(study).scoreMode == 1


def test_the_parameters_of_a_deployment_are_bounded(evm, world):
    places = (world.rounds, world.claims, world.proofs, world.vault, world.datasets)
    with evm.reverts("PhaseLengthOutOfRange", PHASE_LIMIT + 1, 0, PHASE_LIMIT):
        evm.deploy("Studies", *places, PHASE_LIMIT + 1, 10, 2000)
    with evm.reverts("DisputeLengthOutOfRange", PHASE_LIMIT + 1, 0, PHASE_LIMIT):
        evm.deploy("Studies", *places, 10, PHASE_LIMIT + 1, 2000)
    with evm.reverts("ShareOutOfRange", 10_001, 10_000):
        evm.deploy("Studies", *places, 10, 10, 10_001)
