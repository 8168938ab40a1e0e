"""What must hold of any registry of consent, as properties of histories. Each returns what is wrong, or nothing."""

from __future__ import annotations

from itertools import permutations
from random import Random

from tests.consent_reference.adapter import Answer, Outcome, ReferenceAdapter, run
from tests.consent_reference.reference import Decision, Kind, Registry, Terms
from tests.consent_reference.relayers import Post, honest, in_order

REVOCATIONS = {Kind.REVOKE, Kind.REVOKE_ALL, Kind.REVOKE_FOR}
STEPS = (0, 0, 1, 1, 2, 3)


def final(posts: tuple[Post, ...], registry: type[Registry] = Registry) -> Registry:
    """The registry after a play with retries."""
    adapter = ReferenceAdapter(registry)
    run(posts, adapter)
    return adapter.registry


def effective(registry: Registry, at: int) -> dict[tuple[int, int], Terms]:
    """What is consented to at a second, by (patient, dataset)."""
    terms = {key: registry.terms(*key, at) for key in registry.words}
    return {key: each for key, each in terms.items() if each is not None}


def meaningful(decisions: tuple[Decision, ...]) -> bool:
    """Whether every narrowing narrows what stands when all is posted as it is signed, and none came by call.

    A narrowing by call is made now or never: on a grant that is still held back it is refused for good.
    """
    outcomes = run(honest(decisions), ReferenceAdapter()).outcomes[: len(decisions)]
    narrowings = [outcome for outcome in outcomes if outcome.decision.kind is Kind.NARROW]
    return all(outcome.answer is Answer.COUNTED and not outcome.decision.by_call for outcome in narrowings)


def later_signed_wins(
    decisions: tuple[Decision, ...], posts: tuple[Post, ...], registry: type[Registry] = Registry
) -> str:
    """However it was posted, what stands in the end is what stands had all been posted when it was signed."""
    as_posted, as_signed = final(posts, registry), final(honest(decisions), registry)
    at = max(as_posted.now, as_signed.now)
    mine, theirs = effective(as_posted, at), effective(as_signed, at)
    return "" if mine == theirs else f"{list(posts)} end with {mine}, as signed with {theirs}"


def every_order(decisions: tuple[Decision, ...], random: Random, registry: type[Registry] = Registry) -> str:
    """`later_signed_wins` over all orders of posting, after the last was signed."""
    start = decisions[-1].signed_at
    for order in permutations(decisions):
        steps = tuple(random.choice(STEPS) for _ in order)
        if wrong := later_signed_wins(decisions, in_order(order, start, steps), registry):
            return wrong
    return ""


def no_revocation_lost(posts: tuple[Post, ...], registry: type[Registry] = Registry) -> str:
    """Nothing stands that was signed before a revocation of it, or in its second."""
    adapter = ReferenceAdapter(registry)
    outcomes = run(posts, adapter).outcomes
    state = adapter.registry
    for patient, dataset in effective(state, state.now):
        word = state.word(patient, dataset, state.now)
        for each in (outcome.decision for outcome in outcomes if revokes(outcome, patient, dataset)):
            if each.signed_at >= word.signed_at:
                return f"{each} lost to {word} in {list(posts)}"
    return ""


def revokes(outcome: Outcome, patient: int, dataset: int) -> bool:
    decision = outcome.decision
    in_time = decision.signed_at <= outcome.second
    about = decision.patient == patient and (decision.dataset == dataset or decision.kind is Kind.REVOKE_ALL)
    return decision.kind in REVOCATIONS and in_time and about


def no_signature_counts_twice(posts: tuple[Post, ...], registry: type[Registry] = Registry) -> str:
    """Each that counted is posted again after every later post, in that second and somewhat later."""
    outcomes = run(posts, ReferenceAdapter(registry)).outcomes
    adapter = ReferenceAdapter(registry)
    used: list[Decision] = []
    for place, outcome in enumerate(outcomes):
        adapter.advance(outcome.second)
        adapter.post(outcome.decision)
        if outcome.answer is Answer.COUNTED and not outcome.decision.by_call:
            used.append(outcome.decision)
        coming = outcomes[place + 1].second if place + 1 < len(outcomes) else outcome.second + 3
        for second in sorted({outcome.second, min(outcome.second + 1, coming), coming}):
            adapter.advance(second)
            for each in (each for each in used if adapter.post(each) is not Answer.REFUSED):
                return f"{each} counts again in {second} in {list(posts)}"
    return ""


def past_stays(posts: tuple[Post, ...], registry: type[Registry] = Registry) -> str:
    """What was covered in a second that is over stays so, whatever is posted later."""
    adapter = ReferenceAdapter(registry)
    noted: dict[int, dict[tuple[int, int], Terms]] = {}
    for outcome in run(posts, ReferenceAdapter(registry)).outcomes:
        if adapter.registry.now:
            noted |= {
                at: effective(adapter.registry, at) for at in (adapter.registry.now, outcome.second - 1)
            }
        adapter.advance(outcome.second)
        adapter.post(outcome.decision)
    for second, answer in noted.items():
        if second < outcome.second and effective(adapter.registry, second) != answer:
            return f"{second}: {answer} became {effective(adapter.registry, second)} in {list(posts)}"
    return ""
