"""`medfed patient status`: what may be done with a record now, by the dataset's basis and the patient's words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli import patient_sign
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, date_of, show, when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medfed.chain.wallet import Wallet
    from medfed.protocol.basis import Basis
    from medfed.protocol.consent import Details, RevokeAll, State, Word
    from medfed.rounds.federation import OnChain
    from medfed.types import Address, DatasetId

__all__ = [
    "AccountNumber",
    "Standing",
    "details_facts",
    "older_cards",
    "standing",
    "status",
    "unasked",
    "unasked_lines",
]

_MOST_NAMED = 20
"""Datasets that one sentence lists."""

AccountNumber = Annotated[
    int | None,
    typer.Option("--account", help="Number of the wallet's account (default: the dataset's).", min=0),
]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the chain keeps now of a patient and a dataset and, where the basis asks through them, its predecessors."""

    dataset: DatasetId
    basis: Basis
    issuer: Address | None
    states: Mapping[DatasetId, State]
    """The dataset's own first."""
    now: int
    """Second of the newest block."""

    @property
    def own(self) -> State:
        """That of the dataset itself."""
        return self.states[self.dataset]

    @property
    def active(self) -> bool:
        """Whether the patient has a consent for the dataset, whatever it permits."""
        return self._stands(self.own)

    @property
    def objected(self) -> bool:
        """Whether the patient said no to every use where nobody is asked for consent."""
        from medfed.protocol.basis import Basis

        ended = self._ended()
        return self.basis is not Basis.CONSENT and ended > 0 and not self._answers(ended)

    def permitting(self) -> dict[DatasetId, Word]:
        """The standing words that say what the record may be used for, by dataset; none where nothing limits it. The dataset's own
        takes the place of those that were signed before it."""
        since = self.own.word.signed_at if self.active else 0
        return {
            dataset: state.word
            for dataset, state in self.states.items()
            if self._stands(state) and state.word.signed_at >= since
        }

    def why_not_revoke(self) -> str:
        """Why there is nothing that a revocation would end; empty where there is a use of the record."""
        from medfed.protocol.basis import Basis

        if self.active or (self.basis is not Basis.CONSENT and not self.objected):
            return ""
        return "you objected already" if self.objected else self.why_inactive()

    def why_inactive(self) -> str:
        """Why no consent for the dataset stands."""
        word, everything = self.own.word, self.own.revoke_all
        if not (word.posted_at or everything.posted_at):
            return "there never was a consent"
        if word.purposes and word.signed_at > everything.signed_at:
            return "the consent has ended"
        return f"the consent was revoked on {when(_revoked_at(word, everything))} UTC"

    def _ended(self) -> int:
        """When the patient signed the last word that says no, or stands no more; 0 for none."""
        said = (
            max(each.word.signed_at, each.revoke_all.signed_at)
            for each in self.states.values()
            if not self._stands(each)
        )
        return max(said, default=0)

    def _answers(self, second: int) -> bool:
        """Whether the consent for the dataset itself was signed after `second`."""
        return self.active and self.own.word.signed_at > second

    def _stands(self, state: State) -> bool:
        from medfed.protocol.consent import stands

        return stands(state, self.now)


def standing(place: OnChain, account: Address, dataset: DatasetId) -> Standing:
    """Where a patient stands with a dataset now."""
    from medfed.protocol.basis import Basis

    contracts, numbers = place.contracts, [dataset]
    found = contracts.datasets.dataset(dataset)
    asks_others, before = found.basis is not Basis.CONSENT, found.predecessor
    while asks_others and 0 < before < numbers[-1]:
        numbers.append(before)
        before = contracts.datasets.dataset(before).predecessor
    states = {number: contracts.consents.states([account], number)[0] for number in numbers}
    now = place.client.head().timestamp
    return Standing(dataset, found.basis, contracts.datasets.issuer(dataset), states, now)


def unasked(place: OnChain, wallet: Wallet) -> list[DatasetId]:
    """The datasets that use records without a consent, and to which the wallet's account that goes with the number has said
    nothing. Whether a record of the patient is in them, only patient and hospital know."""
    from medfed.cli.meaning import is_asked
    from medfed.types import DatasetId

    numbers = map(DatasetId, range(1, place.contracts.datasets.count() + 1))
    stands = (
        standing(place, wallet.account(number).address, number)
        for number in numbers
        if not is_asked(place, number)
    )
    return [each.dataset for each in stands if not (each.active or each.objected)]


def unasked_lines(datasets: Sequence[DatasetId]) -> list[str]:
    """What a patient who wants no further use has to know of them."""
    if not datasets:
        return []
    named = ", ".join(map(str, datasets[:_MOST_NAMED]))
    further = f" and {len(datasets) - _MOST_NAMED} more" if len(datasets) > _MOST_NAMED else ""
    where = f"dataset{'s' * (len(datasets) > 1)} {named}{further}"
    text = (
        f"Records are used without a consent in {where}. Where yours is among them, object there too: "
        "`medfed patient revoke DATASET`."
    )
    return [text]


def older_cards(stand: Standing) -> list[str]:
    """Which other account of the patient's may be the one that the hospital knows, where an objection counts for what comes after."""
    before = ", ".join(str(number) for number in stand.states if number != stand.dataset)
    if not before:
        return []
    text = (
        f"This is the objection of your account for dataset {stand.dataset}. It comes after dataset {before}: if the hospital has a card of "
        "yours for that, object there, which holds for this one too: `medfed patient revoke NUMBER`."
    )
    return [text]


def status(
    patient: Annotated[
        str, typer.Argument(help="The patient's address, wallet (or plain keystore) or card.")
    ],
    dataset: patient_sign.Dataset,
    form: Annotated[
        Path | None, typer.Option("--form", help="File of a blank consent form: is it the one that was read?")
    ] = None,
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what may be done with a record now. An address or a card needs no key.

    Without a consent that is nothing, unless the dataset's basis is another: then an objection counts.
    With --form, exit code 1 when it is another form than the consent names.
    """
    from medfed.cli.cards import is_card, read_card
    from medfed.cli.meaning import called
    from medfed.cli.run import open_chain, open_wallet, party

    place = open_chain()
    ids = patient_sign.known(place, dataset)
    card = read_card(Path(patient)) if Path(patient).is_file() and is_card(Path(patient)) else None
    if card is not None:
        account = card.patient
    elif Path(patient).is_file():
        wallet = open_wallet(Path(patient), password_file)
        account = wallet.account(dataset if number is None else number).address
    else:
        account = party(patient)
    stand = standing(place, account, ids)
    details = stand.own.details
    data = {"dataset": dataset, "patient": account, **_facts(stand), **details_facts(details)}
    lines = [*_sentences(called(place, ids), stand), *_further(place, stand)]
    if card is not None and card.dataset not in stand.states:
        lines.append(
            f"The card is for dataset {card.dataset}; its patient has another account for dataset {dataset}."
        )
    if form is not None:
        data["is_form"] = patient_sign.form_of(form) == details.form
        lines.append(f"{form} is {'' if data['is_form'] else 'not '}the form that was read.")
    show(data, as_json=as_json, render=lambda: lines)
    if form is not None and not data["is_form"]:
        raise typer.Exit(1)


def details_facts(details: Details) -> dict[str, Any]:
    """Window and form for a program: 0 where there is no first year, 65535 where there is no last one."""
    form = f"0x{details.form.hex()}" if any(details.form) else ""
    return {"data_from": details.data_from, "data_until": details.data_until, "form": form}


def _facts(stand: Standing) -> dict[str, Any]:
    from medfed.protocol import purposes as duo

    word = stand.own.word
    return {
        "basis": stand.basis.label,
        "issuer": stand.issuer,
        "active": stand.active,
        "objected": stand.objected,
        "purposes": duo.names(word.allowed),
        "signed_at": word.signed_at,
        "posted_at": word.posted_at,
        "until": date_of(word.expiry_day) if word.purposes else "",
        "all_revoked_at": stand.own.revoke_all.posted_at,
    }


def _sentences(where: str, stand: Standing) -> list[str]:
    from medfed.protocol.basis import Basis

    if stand.basis is not Basis.CONSENT:
        return _unasked(where, stand)
    if stand.active:
        return [f"The record in {where} may be used for: {_what(stand.own.word)}."]
    return [f"The record in {where} is not used by new rounds: {stand.why_inactive()}."]


def _further(place: OnChain, stand: Standing) -> list[str]:
    """What a consent that stands says of data and form, and what of it has no effect."""
    from medfed.cli.meaning import details_lines, without_effect

    if not stand.active:
        return []
    own = stand.own
    return [*details_lines(own.details), *without_effect(place, stand.dataset, own.word.allowed)]


def _unasked(where: str, stand: Standing) -> list[str]:
    """What holds where nobody is asked for consent."""
    from medfed.protocol.basis import Basis

    if stand.objected:
        return [f"The record in {where} is not used by new rounds: you objected."]
    permitted = f", in studies that {stand.issuer} permits" if stand.basis is Basis.PERMIT else ""
    ground = f"The basis of {where} is {stand.basis.label}: records are used without a consent{permitted}, unless the patient objects."
    words = stand.permitting()
    if not words:
        return [ground, f"You have not objected; `medfed patient revoke {stand.dataset}` does."]
    said = [f"What you said about dataset {number} permits: {_what(word)}." for number, word in words.items()]
    return [ground, *said, "To all other use you have objected."]


def _what(word: Word) -> str:
    from medfed.cli.meaning import extent

    return extent(word.allowed, word.expiry_day)


def _revoked_at(word: Word, everything: RevokeAll) -> int:
    """When the chain heard of what ended the consent last."""
    return max(everything.posted_at, 0 if word.purposes else word.posted_at)
