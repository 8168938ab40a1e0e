"""`medfed patient sign` and `relay`: consent by signature. The patient needs no ether, whoever relays pays the gas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, date_of, note, show

if TYPE_CHECKING:
    from medfed.chain.contracts.consents import SignedMessage
    from medfed.chain.keys import Account
    from medfed.chain.wallet import Wallet
    from medfed.cli.consents import Signed
    from medfed.protocol.consent import Word
    from medfed.protocol.typed import Domain
    from medfed.rounds.federation import OnChain
    from medfed.types import Address, DatasetId

__all__ = [
    "Dataset",
    "Days",
    "FewerDays",
    "FewerPurposes",
    "Keystore",
    "Purposes",
    "app",
    "consenting",
    "known",
    "narrowed",
    "relay",
    "terms",
]

app = typer.Typer(
    name="sign",
    help="Sign a consent into a file, without ether. Anyone may `relay` it: a consent within a week, a revocation at any time.",
    no_args_is_help=True,
)

Keystore = Annotated[Path, typer.Option("--keystore", help="The patient's wallet (or plain keystore).")]
Dataset = Annotated[int, typer.Argument(help="Number of the dataset, as the hospital tells it.", min=1)]
Purposes = Annotated[str, typer.Option(help="What the record may be used for, e.g. HMB (health research).")]
Days = Annotated[int, typer.Option(help="How many days the consent lasts.", min=1, max=36500)]
FewerPurposes = Annotated[str, typer.Option("--purposes", help="What to keep (default: as it is).")]
FewerDays = Annotated[
    int | None,
    typer.Option("--days", help="End so many days from now (default: as it is).", min=1, max=36500),
]
Out = Annotated[Path, typer.Option(help="File to write; it holds no secret.")]
Accounts = Annotated[
    str,
    typer.Option(
        help="Numbers of the wallet's accounts, e.g. 7 or 0-99 for trials (default: the dataset's number)."
    ),
]

# What SignatureSkipped names, in words that need no values.
_REASONS = {
    "InvalidSignature": "the signature is not this patient's for this chain and contract; sign again",
    "SignatureExpired": "the signature's deadline has passed; sign again",
    "SignatureFromFuture": "the signature is issued later than now; check the clock, or try again in a moment",
    "Overtaken": "it was used already, or a later decision of the patient counts; sign again",
    "NoPermission": "the purposes permit nothing; sign again with one of GRU, HMB, DS, POA, CC or NRES",
    "RestrictedNRES": "NRES says that there is no restriction, and the purposes name one; sign again without either",
    "UndefinedPurposes": "the purposes contain bits that mean nothing; sign again",
    "NothingToNarrow": "there is no active consent to narrow; sign a grant",
    "NotNarrower": "it would permit more than the present consent, or last longer; sign a grant",
    "AlreadyRevoked": "the consent is revoked already; nothing is left to do",
}
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


@app.command("grant")
def grant(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Dataset,
    purposes: Purposes,
    keystore: Keystore,
    out: Out,
    days: Days = 365,
    accounts: Accounts = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign that studies may use your record."""
    from medfed.cli import actions
    from medfed.cli.run import open_chain, open_wallet

    place = open_chain()
    number, (allowed, expiry) = known(place, dataset), terms(place, purposes, days)

    def sign(account: Account) -> SignedMessage:
        now = actions.signing_moment(place, account.address, number)
        return actions.sign_grant(place, account, number, allowed, expiry, now=now)

    chosen = _accounts(open_wallet(keystore, password_file), accounts or str(dataset))
    _deliver(place, out, [sign(account) for account in chosen], as_json)


@app.command("narrow")
def narrow(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Dataset,
    keystore: Keystore,
    out: Out,
    purposes: FewerPurposes = "",
    days: FewerDays = None,
    accounts: Accounts = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign that some of a consent is taken back. Fewer purposes, or an earlier end."""
    from medfed.cli import actions
    from medfed.cli.run import open_chain, open_wallet

    place = open_chain()
    number = known(place, dataset)

    def sign(account: Account) -> SignedMessage:
        kept = narrowed(place, account.address, number, (purposes, days))
        now = actions.signing_moment(place, account.address, number)
        return actions.sign_narrow(place, account, number, *kept, now=now)

    chosen = _accounts(open_wallet(keystore, password_file), accounts or str(dataset))
    _deliver(place, out, [sign(account) for account in chosen], as_json)


@app.command("revoke")
def revoke(
    dataset: Dataset,
    keystore: Keystore,
    out: Out,
    accounts: Accounts = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign that a consent is taken back."""
    from medfed.cli import actions
    from medfed.cli.run import open_chain, open_wallet

    place = open_chain()
    number = known(place, dataset)

    def sign(account: Account) -> SignedMessage:
        now = actions.signing_moment(place, account.address, number)
        return actions.sign_revoke(place, account, number, now=now)

    chosen = _accounts(open_wallet(keystore, password_file), accounts or str(dataset))
    _deliver(place, out, [sign(account) for account in chosen], as_json)


@app.command("revoke-all")
def revoke_all(
    keystore: Keystore,
    out: Out,
    accounts: Annotated[
        str, typer.Option(help="Numbers of accounts (default: every one that has a consent).")
    ] = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign that every consent is taken back."""
    from medfed.cli import actions
    from medfed.cli.run import open_chain, open_wallet

    place, wallet = open_chain(), open_wallet(keystore, password_file)
    chosen = _accounts(wallet, accounts) if accounts else consenting(place, wallet)

    def sign(account: Account) -> SignedMessage:
        return actions.sign_revoke_all(place, account, now=actions.signing_moment(place, account.address))

    _deliver(place, out, [sign(account) for account in chosen], as_json)


def relay(
    files: Annotated[list[Path], typer.Argument(help="Files of `medfed patient sign`.")],
    keystore: Annotated[Path, typer.Option("--keystore", help="The relayer's keystore: it pays the gas.")],
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Bring signed consents and revocations to the chain. Anyone may.

    One that does not count stops no other. Exit code 7 when there is one, after all others are brought.
    """
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_chain, open_sender

    place = open_chain()
    sender = open_sender(place, open_account(keystore, password_file))
    places, items, refused = _gathered(place, files)
    _await_issue(place, items)
    told = actions.relay(place, sender, items, lambda count: None if as_json else note(f"{count} sent"))
    for entry in told:
        reason = _REASONS.get(entry.reason, f"the contract refused it ({entry.reason or 'no reason given'})")
        refused.append({"where": places[entry.index], "patient": entry.patient, "reason": reason})
    counted = len(items) - len(told)
    lines = [f"{counted} of {len(items) + len(refused) - len(told)} signed decisions count now."]
    lines += [f"{entry['where']} ({entry['patient']}) does not: {entry['reason']}." for entry in refused]
    show({"counted": counted, "skipped": refused}, as_json=as_json, render=lambda: "\n".join(lines))
    if refused:
        raise typer.Exit(7)


def terms(place: OnChain, purposes: str, days: int) -> tuple[int, int]:
    """(purposes, expiry day) of a consent that is given now. Raises `InputError`."""
    from medfed.protocol import purposes as duo
    from medfed.protocol.consent import DAY

    allowed = duo.parse(purposes)
    duo.check_consent(allowed)
    return allowed, place.client.head().timestamp // DAY + days


def narrowed(
    place: OnChain, account: Address, dataset: DatasetId, kept: tuple[str, int | None]
) -> tuple[int, int]:
    """(purposes, expiry day) of the present consent with what is named put in its place. Raises `InputError`."""
    from medfed.errors import InputError

    purposes, days = kept
    if not purposes and days is None:
        raise InputError("Name what to keep: --purposes, --days, or both; `revoke` takes all of it back.")
    word = _standing(place, account, dataset)
    if word is None:
        raise InputError(f"Account {account} has no consent for dataset {dataset} that could be narrowed.")
    allowed, expiry = terms(place, purposes or _names(word.purposes), days or 1)
    return allowed, word.expiry_day if days is None else expiry


def known(place: OnChain, dataset: int) -> DatasetId:
    """The dataset, once it is known to exist. Raises `InputError`."""
    from medfed.errors import InputError
    from medfed.types import DatasetId

    if dataset > place.contracts.datasets.count():
        raise InputError(f"There is no dataset {dataset} on this chain; ask the hospital for its number.")
    return DatasetId(dataset)


def consenting(place: OnChain, wallet: Wallet) -> list[Account]:
    """The wallet's accounts with a consent that is not revoked, among those that go with a dataset's number."""
    from medfed.types import DatasetId

    found = {}
    for number in range(1, place.contracts.datasets.count() + 1):
        account = wallet.account(number)
        if _standing(place, account.address, DatasetId(number)) is not None:
            found[account.address] = account
    return list(found.values())


def _standing(place: OnChain, account: Address, dataset: DatasetId) -> Word | None:
    """The consent that neither its own revocation nor a later revoke-all has ended."""
    consents = place.contracts.consents
    word = consents.word(account, dataset)
    ended = consents.revoke_all_word(account).signed_at >= word.signed_at
    return word if word.purposes and not ended else None


def _names(purposes: int) -> str:
    from medfed.protocol import purposes as duo

    return ",".join(duo.names(purposes))


def _accounts(wallet: Wallet, text: str) -> list[Account]:
    from medfed.errors import InputError

    match = _RANGE.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is no account number or range of them; write 7 or 0-99.")
    first = int(match[1])
    last = int(match[2] or first)
    if not first <= last < first + 100_000:
        raise InputError(f"The range {text} has to ascend and to hold at most 100,000 accounts.")
    if wallet.single:
        return [wallet.account()]
    return [wallet.account(number) for number in range(first, last + 1)]


def _deliver(place: OnChain, out: Path, items: list[SignedMessage], as_json: bool) -> None:
    from medfed.cli.consents import kind_of, write_signed
    from medfed.errors import InputError
    from medfed.protocol.typed import consent_domain

    if not items:
        raise InputError("No account of this wallet has a consent that could be revoked.")
    write_signed(out, consent_domain(place.client.chain_id, place.contracts.consents.address), items)
    deadline = getattr(items[0].message, "deadline", None)
    day = "" if deadline is None else date_of(deadline // 86_400)
    data = {"file": str(out), "signed": len(items), "kind": kind_of(items[0]), "deadline": day}
    text = (
        f"Signed {len(items)} time{'s' * (len(items) > 1)} into {out}. It counts once somebody brings it"
        f"{day and f' before {day}'}: `medfed patient relay {out} --keystore RELAYER`."
    )
    show(data, as_json=as_json, render=lambda: text)


def _gathered(
    place: OnChain, files: list[Path]
) -> tuple[list[str], list[SignedMessage], list[dict[str, Any]]]:
    """What the files hold: where each consent stands, the consents for this registry, and those for another one."""
    from medfed.cli.consents import read_signed
    from medfed.protocol.typed import consent_domain

    here = consent_domain(place.client.chain_id, place.contracts.consents.address)
    places, items, refused = [], [], []
    for file in files:
        for number, signed in enumerate(read_signed(file), 1):
            where = f"{file}, consent {number}"
            reason = _unfit(signed, here)
            if not reason:
                places.append(where)
                items.append(signed.item)
                continue
            refused.append({"where": where, "patient": signed.item.message.patient, "reason": reason})
    return places, items, refused


def _unfit(signed: Signed, here: Domain) -> str:
    """Why nobody needs to ask the contract about it; empty for one that may count."""
    from medfed.cli.consents import LONGEST_SIGNATURE

    if signed.domain != here:
        return (
            f"it is signed for contract {signed.domain.contract} on chain {signed.domain.chain_id}, "
            f"this is {here.contract} on chain {here.chain_id}; sign again"
        )
    length = len(signed.item.signature)
    if length > LONGEST_SIGNATURE:
        return f"its signature has {length:,} bytes, and no wallet needs more than {LONGEST_SIGNATURE:,}; sign again"
    return ""


def _await_issue(place: OnChain, items: list[SignedMessage], longest: int = 5) -> None:
    """A change right after another is signed for the next second: let it come."""
    from medfed.chain.clock import ChainClock

    clock = ChainClock(place.client)
    latest = max((item.message.issued_at for item in items), default=0)
    if 0 < clock.remaining(latest - 1) <= longest:
        clock.wait_past(latest - 1)
