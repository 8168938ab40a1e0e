"""What a patient's decision means, in the words that are shown before it counts."""

from __future__ import annotations

from medfed.cli.output import printable
from medfed.errors import ContractRevert
from medfed.protocol import purposes as duo
from medfed.protocol import wording
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

__all__ = ["called", "details_lines", "extent", "meaning"]


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
        return ["You take back every consent of this account that you signed until now."]
    if isinstance(message, RevokeMessage):
        return [
            f"You take back the consent for {called(place, message.dataset_id)}: rounds that open from then on do not use your record."
        ]
    where = printable(dataset_words(message), 200)  # as it is signed, whatever a node says by now
    what = "Studies may use" if isinstance(message, GrantMessage) else "From then on studies may only use"
    allowed = extent(message.purposes, message.expiry_day)
    return [
        f"{what} your record in {where} for: {allowed}, or until you revoke it.",
        *details_lines(Details(message.data_from, message.data_until, message.form)),
    ]


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
