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
    from medfed.protocol.consent import Details, Word
    from medfed.protocol.typed import Domain
    from medfed.rounds.federation import OnChain
    from medfed.types import Address, DatasetId

__all__ = [
    "DataFrom",
    "DataUntil",
    "Dataset",
    "Days",
    "FewerDays",
    "FewerPurposes",
    "Form",
    "Keystore",
    "Purposes",
    "app",
    "consenting",
    "details",
    "form_of",
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
DataFrom = Annotated[
    int | None,
    typer.Option("--data-from", help="Year of the earliest data that may be used.", min=1, max=9999),
]
DataUntil = Annotated[
    int | None,
    typer.Option("--data-until", help="Year of the latest data that may be used.", min=1, max=9999),
]
Form = Annotated[
    Path | None,
    typer.Option("--form", help="The blank form that you have read; its hash is kept with the consent."),
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
    "WiderDetails": "it names another form than the present consent, or data that this is not about; sign a grant",
    "EmptyWindow": "its first year of data is after its last; sign again",
}
_LONGEST_FORM = 64 << 20
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


@app.command("grant")
def grant(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Dataset,
    purposes: Purposes,
    keystore: Keystore,
    out: Out,
    days: Days = 365,
    data_from: DataFrom = None,
    data_until: DataUntil = None,
    form: Form = None,
    accounts: Accounts = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign that studies may use your record."""
    from medfed.cli import actions
    from medfed.cli.run import open_chain, open_wallet

    place = open_chain()
    number, said = known(place, dataset), details(data_from, data_until, form)
    allowed, expiry = terms(place, purposes, days)

    def sign(account: Account) -> SignedMessage:
        now = actions.signing_moment(place, account.address, number)
        return actions.sign_grant(place, account, number, allowed, expiry, said, now=now)

    chosen = _accounts(open_wallet(keystore, password_file), accounts or str(dataset))
    _deliver(place, out, [sign(account) for account in chosen], as_json)


@app.command("narrow")
def narrow(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Dataset,
    keystore: Keystore,
    out: Out,
    purposes: FewerPurposes = "",
    days: FewerDays = None,
    data_from: DataFrom = None,
    data_until: DataUntil = None,
    form: Form = None,
    accounts: Accounts = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign that some of a consent is taken back. Fewer purposes, an earlier end, or data of fewer years."""
    from medfed.cli import actions
    from medfed.cli.run import open_chain, open_wallet

    place = open_chain()
    number = known(place, dataset)

    def sign(account: Account) -> SignedMessage:
        kept = narrowed(place, account.address, number, (purposes, days), (data_from, data_until, form))
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
    """Bring signed consents to the chain. Anyone may.

    A consent that does not count stops no other. Exit code 7 when there is one, after all others are brought.
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
    lines = [f"{counted} of {len(items) + len(refused) - len(told)} consents count now."]
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


def details(
    data_from: int | None, data_until: int | None, form: Path | None, present: Details | None = None
) -> Details:
    """What a consent says of data and form, where nothing is named what it says at present. Raises `InputError`."""
    from medfed.errors import InputError
    from medfed.protocol.consent import NO_DETAILS, Details

    before = NO_DETAILS if present is None else present
    said = Details(
        before.data_from if data_from is None else data_from,
        before.data_until if data_until is None else data_until,
        before.form if form is None else form_of(form),
    )
    if said.data_from > said.data_until:
        raise InputError(
            f"No data are from {said.data_from} until {said.data_until}; name the earlier year first."
        )
    return said


def form_of(file: Path) -> bytes:
    """What stands on chain of a blank form. Raises `InputError`."""
    from medfed.errors import InputError
    from medfed.protocol.consent import form_digest

    try:
        if file.stat().st_size > _LONGEST_FORM:
            raise InputError(
                f"The form {file} is longer than {_LONGEST_FORM >> 20} MiB; take the blank form itself."
            )
        return form_digest(file.read_bytes())
    except OSError as exc:
        raise InputError(f"The form {file} cannot be read: {exc.strerror}.") from None


def narrowed(
    place: OnChain,
    account: Address,
    dataset: DatasetId,
    kept: tuple[str, int | None],
    data: tuple[int | None, int | None, Path | None],
) -> tuple[int, int, Details]:
    """(purposes, expiry day, details) of the present consent with what is named put in its place. Raises `InputError`."""
    from medfed.errors import InputError

    purposes, days = kept
    if not purposes and days is None and data == (None, None, None):
        raise InputError(
            "Name what to keep: --purposes, --days, --data-from or --data-until; `revoke` takes all of it back."
        )
    word = _standing(place, account, dataset)
    if word is None:
        raise InputError(f"Account {account} has no consent for dataset {dataset} that could be narrowed.")
    present = place.contracts.consents.details(account, dataset)
    said = details(*data, present)
    if not said.narrows(present):
        raise InputError(
            f"The consent of {account} is about other data, or was given on another form; grant anew instead of narrowing."
        )
    allowed, expiry = terms(place, purposes or _names(word.allowed), days or 1)
    return allowed, word.expiry_day if days is None else expiry, said


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
