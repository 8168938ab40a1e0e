"""`medfed study scores` and `medfed patient claim`, `withdraw`: who is paid by what, and pay beyond the hospitals'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli import patient_sign
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, show, table
from medfed.cli.study_round import Number

if TYPE_CHECKING:
    from medfed.rounds.federation import Federation
    from medfed.rounds.history import RoundHistory, StudyHistory

__all__ = ["claim", "scores", "withdraw"]

AccountNumber = Annotated[
    int | None,
    typer.Option("--account", help="Number of the wallet's account (default: the dataset's).", min=0),
]

_LINKS = (
    "Claiming links the account {account} to the study, the round and the hospital, for everybody to see and for good: it "
    "shows that the account's owner was a patient there. Nobody can claim for you, and nobody has to claim."
)


def scores(study: Number, as_json: JsonFlag = False) -> None:
    """Show what each hospital is paid by. Round by round: weights, or what the reviews came to and who reviewed.

    A round whose result was undone pays those whom no proof was against; a void one may share out a lost stake.
    """
    from medfed.cli.facts import pays
    from medfed.cli.run import open_federation
    from medfed.rounds.history import read_round, read_study
    from medfed.types import RoundNumber, StudyId

    federation = open_federation()
    found = read_study(federation.index, StudyId(study))
    numbers = [RoundNumber(value) for value in range(1, found.rounds + 1)]
    histories = [read_round(federation.index, found.study, number) for number in numbers]
    data = [_facts(federation, found, history) for history in histories if pays(history)]
    rows = [
        (facts["round"], _paid_by(facts), seat, said["score"], f"{said['share']:.1%}", said["reviewed"])
        for facts in data
        for seat, said in facts["seats"].items()
    ]
    columns = ["Round#", "Paid by", "Seat#", "Score#", "Share#", "Review"]
    empty = f"No round of study {study} is final; there is nothing to score yet."
    show(data, as_json=as_json, render=lambda: table(f"Study {study}", columns, rows) if rows else empty)


def _paid_by(facts: dict[str, Any]) -> str:
    return f"{facts['by']}, of a lost stake" if facts["compensation"] else str(facts["by"])


def _facts(federation: Federation, study: StudyHistory, history: RoundHistory) -> dict[str, Any]:
    """What the seats of a round that pays are paid by; scores that are still open are left out."""
    from medfed.chain.contracts.studies import ScoreMode
    from medfed.rounds.reviews import read_reviews, read_tally

    index, mode = federation.index, ScoreMode(study.terms.score_mode)
    tallied = read_tally(index, history) if mode == ScoreMode.REVIEWED else None
    reviews = read_reviews(index, history)
    committed = {
        event["seat"] for event in index.events("ReviewCommitted", study=study.study, round=history.number)
    }
    said = {seat: update.weight for seat, update in history.updates.items()}
    by, total = "weight", history.due_weight
    if mode == ScoreMode.EQUAL:
        by, said, total = "equal", dict.fromkeys(said, 1), history.due
    elif tallied is not None and any(tallied.values()):
        by, said, total = "reviews", tallied, sum(tallied.values())
    elif mode == ScoreMode.REVIEWED and tallied is None and committed:
        by = "reviews to come"
    earning, kept = history.submitted, 1.0
    if history.result is not None:
        # What updates left out, or hospitals kept away, weigh is nobody's, whatever the reviews say.
        earning, kept = (
            history.result.included,
            history.result.weight / history.due_weight if by == "reviews" else 1.0,
        )
    barred = {seat for seat in said if not study.pays(seat, history.number)}
    words = {True: "revealed", False: "committed"}
    seats: dict[int, dict[str, Any]] = {}
    for seat, score in sorted(said.items()):
        earns = earning >> seat & 1 and seat not in history.struck | barred
        seats[int(seat)] = {
            "score": score if earns else 0,
            "share": score / total * kept if earns and total else 0.0,
            "reviewed": words[seat in reviews] if seat in committed else "",
            "said": list(reviews.get(seat, ())),
        }
    facts = {"round": int(history.number), "mode": mode.name.lower(), "by": by, "seats": seats}
    return facts | {"compensation": history.compensation}


def claim(
    dataset: patient_sign.Dataset,
    keystore: patient_sign.Keystore,
    number: AccountNumber = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Claim, and so show that the account is a patient's of the study.")
    ] = False,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Claim your part of what studies pay to patients. Without --yes it is shown only.

    Claiming links your account to the study, the round and the hospital, for everybody to see and for good.
    Your account pays the gas; the pay goes to its free balance in the vault, see `medfed patient withdraw`.
    """
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_federation, open_sender, open_wallet
    from medfed.rounds.uses import find_shares
    from medfed.types import DatasetId

    wallet, index = open_wallet(keystore, password_file), dataset if number is None else number
    account, federation = wallet.account(index), open_federation()
    found = find_shares(federation, account.address, wallet.link_secret(index), DatasetId(dataset))
    if yes:
        sender = open_sender(federation, account)
        for share in found:
            if share.call is not None:
                sender.send(share.call)
    data = {
        "patient": account.address,
        "claimed": yes,
        "shares": [
            {"study": share.study, "round": share.round, "amount": share.amount, "token": share.token}
            | ({"why": share.why} if share.why else {})
            for share in found
        ],
    }
    rows = [
        (share.study, share.round, share.why or coin_of(federation, share.token).text(share.amount))
        for share in found
    ]
    last = "Claimed." if yes else _LINKS.format(account=account.address) + " To go on, add --yes."
    if not any(share.call for share in found):
        last = "Nothing to claim now."
    lines = [table("Your part", ["Study#", "Round#", "Pay"], rows)] if rows else []
    show(data, as_json=as_json, render=lambda: [*lines, last])


def withdraw(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: patient_sign.Dataset,
    keystore: patient_sign.Keystore,
    to: Annotated[str, typer.Option(help="Send the tokens to this account instead.")] = "",
    token: Annotated[str, typer.Option(help="Address of the ERC-20 (default: the development token).")] = "",
    number: AccountNumber = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Take what you claimed out of the vault. All of it, at once."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_chain, open_sender, open_wallet, party

    place, index = open_chain(), dataset if number is None else number
    account = open_wallet(keystore, password_file).account(index)
    coin, vault, receiver = coin_of(place, token), place.contracts.vault, party(to) if to else account.address
    free = vault.balance(account.address, coin.address).free
    if free:
        call = vault.withdraw(account.address, coin.address, free, receiver)
        open_sender(place, account).send(call)
    text = f"{coin.text(free)} went to {receiver}." if free else "There is nothing of yours in the vault."
    data = {"patient": account.address, "withdrawn": free, "to": receiver}
    show(data, as_json=as_json, render=lambda: text)
