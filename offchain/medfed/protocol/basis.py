"""The ground in law on which a dataset's patients count in a round, and who counts by it. Pure.

- `consent`: whose consent is active.
- `opt-out`: whoever the hospital enlisted, unless they said otherwise.
- `permit`: as `opt-out`, while the dataset's issuer permits the study.

To say otherwise is to leave a word that does not permit what the study asks, a revocation among them, or a revoke-all. It
stands for the dataset's whole lineage, until the patient grants what is asked, on the newest dataset and later. So does the
window of a word that permits it: what a patient left out of a predecessor no successor has. Each word is held against what its
own dataset's patients are asked for: with DS a patient meant the disease of the dataset that the word is about.
"""

from __future__ import annotations

from collections.abc import Sequence

from medfed.errors import InputError
from medfed.protocol.consent import NO_DETAILS, Details, State, is_active
from medfed.protocol.enumeration import Enumeration

__all__ = ["Basis", "counting"]


class Basis(Enumeration):
    """As in `IDatasetRegistry.sol`."""

    CONSENT = 0
    OPT_OUT = 1
    PERMIT = 2

    @property
    def label(self) -> str:
        """As it is written: `consent`, `opt-out`, `permit`."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def parse(cls, text: str) -> Basis:
        """The basis of a label. Raises `InputError` for another word."""
        found = {basis.label: basis for basis in cls}
        if text not in found:
            raise InputError(f"There is no basis `{text}`; choose one of {', '.join(found)}.")
        return found[text]


def counting(basis: Basis, states: Sequence[State], requests: Sequence[int], at: int) -> Details | None:
    """What an enlisted patient's consent is about who counts in a study when second `at` had ended, permits aside; of one who
    counts without a word, everything. None for one who does not count.

    `states` are what the chain kept then of the patient and the dataset and, behind it, each of its predecessors; `requests`
    what the study asks of the patients of each of these.
    """
    own, asked = states[0], requests[0]
    granted = own.word.signed_at if is_active(own, asked, at) else 0
    if basis is Basis.CONSENT:
        return own.details if granted else None
    said = list(zip(states, requests, strict=True))
    objected = max(_objected(state, request, at) for state, request in said)
    if objected and granted <= objected:
        return None
    details = own.details if granted else NO_DETAILS
    for state, request in said[1:]:
        if is_active(state, request, at) and state.word.signed_at > granted:
            details = details.within(state.details)
    return details


def _objected(state: State, purposes: int, at: int) -> int:
    """When the patient signed what says otherwise; 0 where nothing does."""
    return 0 if is_active(state, purposes, at) else max(state.word.signed_at, state.revoke_all.signed_at)
