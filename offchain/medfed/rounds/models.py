"""Registered models as the event index tells them: terms, licences, fees; and what registering one still needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medfed.chain.calls import Call, Event
from medfed.chain.contracts import Market
from medfed.chain.contracts.market import Sale, Terms
from medfed.chain.contracts.payouts import PatientLeaf
from medfed.chain.index import EventIndex
from medfed.errors import InputError
from medfed.protocol.commitments import seats_in
from medfed.rounds.federation import Federation
from medfed.rounds.history import RoundHistory, StudyHistory, read_round, read_study
from medfed.rounds.uses import own_leaf
from medfed.types import Address, DatasetId, RoundNumber, Seat, StudyId

__all__ = [
    "MAX_CREDITS",
    "ModelHistory",
    "SoldLicence",
    "due_credits",
    "due_registration",
    "find_model",
    "licences",
    "model_ids",
    "patient_claims",
    "read_model",
    "read_rounds",
]

MAX_CREDITS = 16
"""Seats in one transaction: well below the gas that one may use."""


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """A registered model so far. `model` and `spec` are digests of CIDs, `shares` the frozen scores by seat."""

    study: StudyId
    model: bytes
    spec: bytes
    finals: int
    attesters: int
    """Bitmap of the seats that attested to the last round."""
    shares: tuple[int, ...]
    registered_at: int
    tx: bytes
    sales: tuple[Sale, ...]
    """By version, from 1."""
    withdrawn: bool
    superseded_by: StudyId | None

    def offer(self, now: int) -> tuple[int, Terms] | None:
        """(version, terms) that a licence is sold under in second `now`."""
        begun = [(version, sale.terms) for version, sale in enumerate(self.sales, 1) if sale.begin <= now]
        if self.withdrawn or not begun or int(begun[-1][1].token, 16) == 0:
            return None
        return begun[-1]


@dataclass(frozen=True, slots=True)
class SoldLicence:
    """A licence with who holds it now. `expires_at` in seconds, 0 without an end."""

    number: int
    model: StudyId
    version: int
    holder: Address
    buyer: Address
    fee: int
    sold_at: int
    expires_at: int
    tx: bytes


def model_ids(index: EventIndex) -> list[StudyId]:
    """Every registered model, in order of registration."""
    return [StudyId(event["study"]) for event in index.events("ModelRegistered")]


def find_model(index: EventIndex, study: StudyId) -> ModelHistory | None:
    """The registered model of a study, if there is one."""
    found = index.events("ModelRegistered", study=study)
    if not found:
        return None
    event, later = found[0], index.events("ModelSuperseded", model=study)
    return ModelHistory(
        study=study,
        model=event["model"],
        spec=event["spec"],
        finals=event["finals"],
        attesters=event["attesters"],
        shares=tuple(event["shares"]),
        registered_at=event.time or 0,
        tx=event.tx_hash,
        sales=tuple(_sales(index, study).values()),
        withdrawn=bool(index.events("ModelWithdrawn", model=study)),
        superseded_by=StudyId(later[-1]["by"]) if later else None,
    )


def _sales(index: EventIndex, model: StudyId) -> dict[int, Sale]:
    """By version: terms that had not begun were replaced."""
    return {
        event["version"]: Sale(Terms(**event["terms"]), event["begin"])
        for event in index.events("TermsSet", model=model)
    }


def read_model(index: EventIndex, study: StudyId) -> ModelHistory:
    """The registered model of a study. Raises `InputError` when there is none."""
    found = find_model(index, study)
    if found is None:
        raise InputError(
            f"There is no model {study}; `medfed model list` shows those that are registered, "
            f"`medfed model register {study}` registers that of a completed study."
        )
    return found


def licences(index: EventIndex, model: StudyId | None = None) -> list[SoldLicence]:
    """The licences of one model, or of all, in order of sale, each with its present holder."""
    chosen: dict[str, Any] = {} if model is None else {"model": model}
    holders = _holders(index)
    return [
        SoldLicence(
            number=event["licence"],
            model=StudyId(event["model"]),
            version=event["version"],
            holder=holders[event["licence"]],
            buyer=Address(event["buyer"]),
            fee=event["fee"],
            sold_at=event.time or 0,
            expires_at=event["expires_at"],
            tx=event.tx_hash,
        )
        for event in index.events("LicenceSold", **chosen)
    ]


def _holders(index: EventIndex) -> dict[int, Address]:
    """Who had each licence last. Transfers of no unit move nothing."""
    single, batch = index.events("TransferSingle"), index.events("TransferBatch")
    moves = [(_place(event), event["to"], [(event["id"], event["value"])]) for event in single]
    moves += [
        (_place(event), event["to"], list(zip(event["ids"], event["values"], strict=True))) for event in batch
    ]
    return {
        number: Address(to)
        for _, to, units in sorted(moves, key=lambda move: move[0])
        for number, count in units
        if count
    }


def _place(event: Event) -> tuple[int, int]:
    return event.block, event.log_index


# -- registering -------------------------------------------------------------------------------------------------------


def read_rounds(index: EventIndex, study: StudyHistory) -> list[RoundHistory]:
    """All rounds of a study so far, in order."""
    numbers = range(1, study.rounds + 1)
    return [read_round(index, study.study, RoundNumber(number)) for number in numbers]


def due_credits(
    index: EventIndex, market: Market, study: StudyHistory, rounds: list[RoundHistory]
) -> Iterator[Call]:
    """The calls that put what is missing of final rounds into the study's book of scores; barred seats have none."""
    for history in rounds:
        result = history.result
        if result is None:
            continue
        number = history.number
        earning = [seat for seat in seats_in(result.included) if study.pays(seat, number)]
        events = index.events("Credited", study=history.study, round=history.number)
        done = set(seats_in(events[-1]["seats"])) if events else set()
        missing = [seat for seat in earning if seat not in done]
        for start in range(0, len(missing), MAX_CREDITS):
            batch = {seat: history.updates[seat] for seat in missing[start : start + MAX_CREDITS]}
            yield market.credit(history.study, number, result, batch)
        if not earning and not events:  # nobody earned: an empty call says so
            yield market.credit(history.study, number, result, {})


def due_registration(market: Market, study: StudyHistory, rounds: list[RoundHistory]) -> Call:
    """The call that registers a completed study's model, once all final rounds are credited. Raises `InputError`."""
    last = rounds[-1].result if rounds else None
    if study.ended != "completed" or last is None:
        raise InputError(
            f"Study {study.study} has no model to register: it is {study.ended or 'not completed yet'}."
        )
    return market.register(study.study, last)


# -- fees --------------------------------------------------------------------------------------------------------------


def patient_claims(
    federation: Federation,
    model: ModelHistory,
    who: tuple[Address, bytes],
    dataset: DatasetId,
    token: Address,
) -> Iterator[tuple[RoundNumber, Call]]:
    """The claims of a patient's part of the fees, one for each final round whose cohort the patient was in.

    `who` is the account and its link secret. Whether there is anything to claim, the contract says.
    """
    study = read_study(federation.index, model.study)
    for entry in study.enrolments:
        if entry.dataset != dataset:
            continue
        for history in read_rounds(federation.index, study):
            leaf = _earning_leaf(federation, who, entry.seat, history) if history.result else None
            if leaf is not None and history.result is not None:
                place, work = (
                    (study.study, history.number, entry.seat),
                    (history.result, history.updates[entry.seat]),
                )
                yield history.number, federation.contracts.market.claim_patient_fees(place, token, work, leaf)


def _earning_leaf(
    federation: Federation, who: tuple[Address, bytes], seat: Seat, history: RoundHistory
) -> PatientLeaf | None:
    result = history.result
    if result is None or seat in history.struck or not result.included >> seat & 1:
        return None
    study = read_study(federation.index, history.study)
    return own_leaf(federation, who, study, study.entry(seat), history)
