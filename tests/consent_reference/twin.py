"""The twin of the contract as an adapter, and how the reference's terms are said in the codes of the ontology."""

from __future__ import annotations

from functools import cache

from medfed.errors import ContractRevert
from medfed.protocol import consent
from medfed.protocol.purposes import Purpose
from medfed.types import Address, DatasetId
from tests.consent_reference.adapter import Answer, details
from tests.consent_reference.reference import Decision, Kind, Purposes, Terms
from tests.consent_reference.relayers import DAY

WIDTHS = (0, Purpose.DS, Purpose.HMB, Purpose.GRU)
CONDITIONS = (0, Purpose.NPU, Purpose.NCU, Purpose.NPUNCU)
OWNER = Address("0x" + "11" * 20)


@cache
def bits(purposes: Purposes) -> int:
    """What stands on chain."""
    return int(WIDTHS[purposes.width] | CONDITIONS[purposes.conditions])


def expiry_day(terms: Terms) -> int:
    return consent.NO_EXPIRY if terms.end is None else terms.end // DAY


def dataset_id(dataset: int) -> DatasetId:
    """They count from 1."""
    return DatasetId(dataset + 1)


class TwinAdapter:
    """Keeps the events that counted, as a client would read them, and asks the twin about them."""

    def __init__(self) -> None:
        self.now = 0
        self.events: list[consent.Event] = []

    def advance(self, second: int) -> None:
        self.now = second

    def post(self, decision: Decision) -> Answer:
        event = self.event(decision)
        before = self.state(decision.patient, decision.dataset)
        try:
            check(before, event, decision)
            after = consent.apply(before, event)
        except ContractRevert:
            return Answer.REFUSED
        if decision.terms is None and after == before:
            return Answer.NOTHING
        self.events.append(event)
        return Answer.COUNTED

    def event(self, decision: Decision) -> consent.Event:
        """What the contract would tell."""
        patient, dataset = account(decision.patient), dataset_id(decision.dataset)
        seconds = (decision.signed_at, self.now)
        match decision.kind:
            case Kind.REVOKE_ALL:
                return consent.AllRevoked(patient, *seconds)
            case Kind.REVOKE | Kind.REVOKE_FOR:
                by = patient if decision.kind is Kind.REVOKE else OWNER
                return consent.Revoked(patient, dataset, by, *seconds)
        made = consent.Granted if decision.kind is Kind.GRANT else consent.Narrowed
        assert decision.terms is not None
        said = bits(decision.terms.purposes), expiry_day(decision.terms), *seconds
        return made(patient, dataset, *said, details(decision.terms.years, decision.terms.form))

    def state(self, patient: int, dataset: int) -> consent.State:
        return consent.replay(self.events, account(patient), dataset_id(dataset))

    def details(self, patient: int, dataset: int) -> consent.Details:
        return self.state(patient, dataset).details

    def is_active(self, patient: int, dataset: int, requested: Purposes, at: int) -> bool:
        return consent.is_active(self.state(patient, dataset), bits(requested), at)

    def was_active(self, patient: int, dataset: int, requested: Purposes, at: int) -> bool:
        return consent.was_active(self.events, account(patient), dataset_id(dataset), bits(requested), at)


def check(state: consent.State, event: consent.Event, decision: Decision) -> None:
    """Raise `ContractRevert` where the contract would refuse."""
    if not decision.by_call:
        consent.check_signed(state, event, decision.deadline)
    elif isinstance(event, (consent.Granted, consent.Narrowed)):
        consent.check_call(state, event)


def account(patient: int) -> Address:
    return Address(f"0x{patient + 0x20:040x}")
