"""What a patient's decision means, in the words that are shown before it counts."""

from __future__ import annotations

from medfed.cli.output import printable
from medfed.errors import ContractRevert
from medfed.protocol import purposes as duo
from medfed.protocol import wording
from medfed.protocol.basis import Basis
from medfed.protocol.consent import NO_EXPIRY, NO_LAST_YEAR, Details
from medfed.protocol.typed import (
    GrantMessage,
    NarrowMessage,
    RevokeAllMessage,
    RevokeMessage,
    dataset_words,
)
from medfed.rounds.federation import OnChain
from medfed.types import DatasetId

__all__ = [
    "OTHERWISE",
    "called",
    "details_lines",
    "extent",
    "is_asked",
    "meaning",
    "widenings",
    "without_effect",
]

OTHERWISE = "To all other use you object, and to this one too once it has ended."
"""What a consent says besides where records are used without one."""


def called(place: OnChain, dataset: DatasetId) -> str:
    """A dataset with its title and its hospital's name, as far as they have any: `dataset 3, "Cytology", of "Hospital A"`."""
    try:
        return printable(place.contracts.datasets.describe(dataset)[0], 200)
    except ContractRevert:
        return f"dataset {dataset}"


def meaning(
    place: OnChain, message: GrantMessage | NarrowMessage | RevokeMessage | RevokeAllMessage
) -> list[str]:
    """The sentences that whoever signs this agrees to."""
    if isinstance(message, RevokeAllMessage):
        return [
            "You take back every consent of this account that you signed until now, and object where this account's record is used without one."
        ]
    if isinstance(message, RevokeMessage):
        where, asked = called(place, message.dataset_id), is_asked(place, message.dataset_id)
        what = "You take back the consent for" if asked else "You object to every use of your record in"
        return [f"{what} {where}: rounds that open from then on do not use your record."]
    where = printable(dataset_words(message), 200)  # as it is signed, whatever a node says by now
    asked = is_asked(place, message.dataset_id)
    what = "Studies may use" if isinstance(message, GrantMessage) else "From then on studies may only use"
    allowed = extent(message.purposes, message.expiry_day)
    return [
        f"{what} your record in {where} for: {allowed}, or until you revoke it.",
        *details_lines(Details(message.data_from, message.data_until, message.form)),
        *([] if asked else [OTHERWISE]),
        *without_effect(place, message.dataset_id, message.purposes),
    ]


def without_effect(place: OnChain, dataset: DatasetId, purposes: int) -> list[str]:
    """What a consent permits and the dataset is not registered for, so that no study does it."""
    uses, _ = duo.beyond(place.contracts.datasets.dataset(dataset).uses, purposes)
    return (
        [f"The dataset is not registered for this, so that it has no effect: {_coded(uses)}."] if uses else []
    )


def is_asked(place: OnChain, dataset: DatasetId) -> bool:
    """Whether the dataset's patients are asked for a consent: without one the record is not used."""
    return place.contracts.datasets.dataset(dataset).basis is Basis.CONSENT


def widenings(before: tuple[int, int, Details], after: tuple[int, int, Details]) -> list[str]:
    """What makes `after` (purposes, expiry day, details) no narrowing of `before`, each as the end of "it …"."""
    uses, conditions = duo.beyond(before[0], after[0])
    permits = [f"permits {_coded(uses)}, which the present one does not"] if uses else []
    leaves_out = [f"leaves out a condition of the present one: {_coded(conditions)}"] if conditions else []
    lasts = (
        [f"lasts until {wording.until(after[1])}, and the present one until {wording.until(before[1])}"]
        if after[1] > before[1]
        else []
    )
    return [*permits, *leaves_out, *lasts, *_other_details(before[2], after[2])]


def _coded(purposes: int) -> str:
    """Each code with its meaning: "clinical care (CC)"."""
    codes = (duo.Purpose[name] for name in duo.names(purposes))
    return ", ".join(f"{duo.meaning(code)} ({code.name})" for code in codes)


def _other_details(before: Details, after: Details) -> list[str]:
    """The part of `widenings` that window and form have in it."""
    windows = [wording.window(each.data_from, each.data_until) for each in (after, before)]
    same_form = Details(before.data_from, before.data_until, after.form)
    wider = not after.narrows(same_form)
    data = [f"is about data {windows[0]}, and the present one about data {windows[1]}"] if wider else []
    if after.form == before.form:
        return data
    had = f"one with the hash 0x{before.form.hex()}" if any(before.form) else "none"
    return [*data, f"names a form with the hash 0x{after.form.hex()}, and the present one names {had}"]


def extent(purposes: int, expiry_day: int) -> str:
    """For what and until when: "any research; until 2027-03-01 begins (UTC)"."""
    ends = "without an end" if expiry_day == NO_EXPIRY else f"until {wording.until(expiry_day)}"
    return f"{duo.describe(purposes)}; {ends}"


def details_lines(details: Details) -> list[str]:
    """Window and form, where there are any."""
    since = f" from {details.data_from}" if details.data_from else ""
    until = f" until {details.data_until}" if details.data_until != NO_LAST_YEAR else ""
    included = "both years" if since and until else "that year"
    lines = [f"Only data{since}{until} are used, {included} included."] if details.bounded else []
    form = [f"The form that was read has the hash 0x{details.form.hex()}."] if any(details.form) else []
    return [*lines, *form]
