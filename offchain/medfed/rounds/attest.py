"""What a round comes to, for whoever attests to it outside a daemon: fetched, checked and added at one go."""

from __future__ import annotations

from medfed.errors import InputError, ProtocolError
from medfed.rounds.federation import Federation
from medfed.rounds.history import bound, read_round, read_study
from medfed.rounds.recompute import Outcome, RoundPlace, RoundSum
from medfed.rounds.study import fetch_model, fetch_spec, model_cid_of
from medfed.types import RoundNumber, Seat, StudyId

__all__ = ["recompute_round"]


def recompute_round(
    federation: Federation, number: StudyId, value: RoundNumber
) -> tuple[Outcome, dict[Seat, str]]:
    """The outcome of a round, and why each update that is not in it is left out.

    Of a round with a result, just the updates in it count. Raises `InputError` when the round is void or has no updates,
    `ProtocolError` when none can be added up.
    """
    study, history = read_study(federation.index, number), read_round(federation.index, number, value)
    if history.void:
        raise InputError(f"Round {value} of study {number} is void; there is nothing to attest to.")
    if not history.updates:
        raise InputError(
            f"Nobody has submitted in round {value} of study {number}; there is nothing to add up."
        )
    spec = fetch_spec(federation.store, study)
    place = RoundPlace(federation.client.chain_id, federation.contracts.rounds.address, number, value, spec)
    entries = {entry.seat: entry for entry in study.enrolments}
    patients = {seat: bound(federation.index, entry, study.terms, history) for seat, entry in entries.items()}
    found = RoundSum(place, entries, patients)
    result = history.result
    wanted = history.updates
    if result is not None:
        wanted = {seat: update for seat, update in wanted.items() if result.included >> seat & 1}
    found.add(federation.store, wanted)
    if not found.weights:
        why = "; ".join(f"seat {seat}: {text}" for seat, text in {**found.missing, **found.faults}.items())
        raise ProtocolError(
            f"None of the {len(wanted)} updates of round {value} can be added up: {why.rstrip('.')}."
        )
    model = fetch_model(federation.store, spec, model_cid_of(federation.index, study, spec, value))
    return found.outcome(model), {**found.missing, **found.faults}
