"""`medfed patient sign` and `relay`: consent by signature. The patient needs no ether, whoever relays pays the gas."""

from __future__ import annotations

import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, date_of, note, show, when

if TYPE_CHECKING:
    from medfed.chain.consent_file import Signed
    from medfed.chain.contracts.consents import SignedMessage
    from medfed.chain.keys import Account
    from medfed.chain.wallet import Wallet
    from medfed.nodes.decisions import Decision
    from medfed.nodes.relaying import Relayer
    from medfed.protocol.consent import Details, Word
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
    "SameForm",
    "app",
    "check_data_begin",
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
    typer.Option(
        "--form",
        help="File of the blank consent form that you read, as the hospital gives it out, e.g. form.pdf. Its hash is kept with the consent.",
    ),
]
SameForm = Annotated[
    Path | None,
    typer.Option(
        "--form",
        help="File of the blank form that the consent was given on, to make sure that it is that one; it stays the same without this.",
    ),
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
    allowed, expiry = terms(place, number, purposes, days)
    check_data_begin(said, expiry)

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
    form: SameForm = None,
    accounts: Accounts = "",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign that some of a consent is taken back.

    Fewer purposes, an earlier end, or data of fewer years; what is not named stays as it is, and so does the form.
    """
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
    """Sign that a consent is taken back.

    Of a dataset whose patients are not asked for one, it objects to every use.
    """
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
    out: Annotated[
        Path, typer.Option(help="Folder to write, with a file for each account; no secret is in it.")
    ],
    accounts: Annotated[
        str, typer.Option(help="Numbers of accounts (default: every one that has a consent).")
    ] = "",
    spread: Annotated[
        str, typer.Option(help="Let each count from a random moment within this time on, e.g. 6h or 2d.")
    ] = "0",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign that every consent is taken back. A file for each account.

    Accounts that are revoked side by side, by one relayer, or as signed in one second, show that they are one person's:
    have them brought at different times, by different relayers, and sign with --spread.
    """
    from medfed.cli import actions
    from medfed.cli.patient_status import unasked
    from medfed.cli.run import open_chain, open_wallet
    from medfed.cli.spans import seconds_of

    place, wallet, span = open_chain(), open_wallet(keystore, password_file), seconds_of(spread)
    chosen = _accounts(wallet, accounts) if accounts else consenting(place, wallet)
    without = [] if accounts else unasked(place, wallet)

    def sign(account: Account) -> SignedMessage:
        # Later, never earlier: one that is signed before a consent does not end it.
        now = actions.signing_moment(place, account.address) + secrets.randbelow(span + 1)
        return actions.sign_revoke_all(place, account, now=now)

    _deliver_apart(place, out, [sign(account) for account in chosen], without, as_json)


def relay(
    keystore: Annotated[Path, typer.Option("--keystore", help="The relayer's keystore: it pays the gas.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of `medfed patient sign` (default: what the queue holds)."),
    ] = None,
    queue: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps what is not posted yet (default: in the state directory)."),
    ] = None,
    spread: Annotated[
        str,
        typer.Option(
            help="Post each at a random moment within this time, so that others hide it; 0 for now."
        ),
    ] = "1m",
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Bring signed consents and revocations to the chain. Anyone may.

    They go into a queue and out in the order of signing, shuffled among each other, never two of one account in a
    transaction; what a later decision replaces is not posted. Revocations go first, within ten minutes at most.
    After a stop or a failure the next call goes on. A consent that does not count stops no other.
    Exit code 7 when there is one, after all others are brought.
    """
    from medfed.cli.run import open_account, open_chain, open_sender, settings
    from medfed.cli.spans import seconds_of
    from medfed.nodes.relaying import open_relayer

    place, span = open_chain(), seconds_of(spread)
    sender = open_sender(place, open_account(keystore, password_file))
    places, items, unread = _gathered(files or [])
    folder = queue or settings().state_dir / "relay"
    tell = None if as_json else _tell_sent
    with open_relayer(place, sender, folder, spread=span, tell=tell) as relayer:
        before = relayer.waiting()
        put = relayer.put(items)
        _run(relayer, span)
        followed = list(zip(places, put, strict=True))
        named = {decision.id for decision in put}
        followed += [("the queue", each) for each in before if each.id not in named]
        told = [_told(where, relayer.look(each)) for where, each in followed]
    _report(told, unread, as_json)


def _run(relayer: Relayer, span: int) -> None:
    """Until nothing is left to do, but for what is signed for a moment that is far off."""
    while relayer.execute():
        pause = relayer.pause()
        if pause > span + 5:
            return
        time.sleep(min(max(pause, 0.05), 1.0))


def _tell_sent(count: int) -> None:
    note(f"{count} sent")


def _told(where: str, decision: Decision) -> dict[str, Any]:
    """What became of a decision, for people."""
    data = {"where": where, "patient": decision.patient, "state": decision.state.value}
    if decision.why:
        known = decision.why if " " in decision.why else f"the contract refused it ({decision.why})"
        data["reason"] = _REASONS.get(decision.why, known)
    return data


def _report(told: list[dict[str, Any]], unread: list[dict[str, Any]], as_json: bool) -> None:
    states = [entry["state"] for entry in told]
    counted = states.count("counted")
    skipped = unread + [
        {key: value for key, value in entry.items() if key != "state"} for entry in told if "reason" in entry
    ]
    lines = [f"{counted} of {len(told) + len(unread)} signed decisions count now."]
    lines += [
        f"{entry['where']} ({entry['patient']}) is replaced by a later decision."
        for entry in told
        if entry["state"] == "replaced"
    ]
    waiting = states.count("queued")
    if waiting:
        lines += [f"{waiting} wait for a later moment; `medfed patient relay` brings them then."]
    lines += [f"{entry['where']} ({entry['patient']}) does not: {entry['reason']}." for entry in skipped]
    data = {"counted": counted, "waiting": waiting, "skipped": skipped, "decisions": told}
    show(data, as_json=as_json, render=lambda: "\n".join(lines))
    if skipped:
        raise typer.Exit(7)


def terms(place: OnChain, dataset: DatasetId, purposes: str, days: int) -> tuple[int, int]:
    """(purposes, expiry day) of a consent that is given now. Raises `InputError`, also for one that permits nothing there."""
    from medfed.errors import InputError
    from medfed.protocol import purposes as duo
    from medfed.protocol.consent import DAY

    allowed = duo.parse(purposes)
    duo.check_consent(allowed)
    if duo.is_void(allowed, place.contracts.datasets.dataset(dataset).disease):
        raise InputError(
            f"Dataset {dataset} is registered without a disease, so that DS permits nothing there; choose HMB or another purpose."
        )
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


def check_data_begin(said: Details, expiry: int) -> None:
    """Raise `InputError` where the consent ends (as day `expiry` begins) before its first year of data: it would permit nothing."""
    from medfed.errors import InputError

    end = date_of(expiry)
    if said.data_from > int(end[:4]):
        raise InputError(
            f"The consent ends as {end} begins, and there are no data from {said.data_from} before; name an earlier year."
        )


def form_of(file: Path) -> bytes:
    """What stands on chain of a blank form. Raises `InputError`."""
    from medfed.errors import InputError
    from medfed.protocol.consent import form_digest

    try:
        if file.stat().st_size > _LONGEST_FORM:
            raise InputError(
                f"The form {file} is longer than {_LONGEST_FORM >> 20} MiB; take the blank form itself."
            )
        content = file.read_bytes()
    except OSError as exc:
        raise InputError(f"The form {file} cannot be read: {exc.strerror}.") from None
    if not content:
        raise InputError(f"The form {file} is empty; ask the hospital for the blank form.")
    return form_digest(content)


_NOTHING_NAMED = "Name what to keep: --purposes, --days, --data-from or --data-until; `revoke` takes all of it back. The form stays."


def narrowed(
    place: OnChain,
    account: Address,
    dataset: DatasetId,
    kept: tuple[str, int | None],
    data: tuple[int | None, int | None, Path | None],
) -> tuple[int, int, Details]:
    """(purposes, expiry day, details) of the present consent with what is named put in its place. Raises `InputError`."""
    from medfed.cli.meaning import widenings
    from medfed.errors import InputError

    purposes, days = kept
    names_nothing = not purposes and days is None and data[:2] == (None, None)
    if names_nothing and data[2] is None:  # a form that is named is compared before
        raise InputError(_NOTHING_NAMED)
    word = _standing(place, account, dataset)
    if word is None or word.ends() <= place.client.head().timestamp:
        raise InputError(
            f"Account {account} has no consent for dataset {dataset} that could be narrowed; "
            f"{_instead_of_narrowing(place, dataset)}."
        )
    present = place.contracts.consents.details(account, dataset)
    said = details(*data, present)
    allowed, expiry = terms(place, dataset, purposes or _names(word.allowed), days or 1)
    day = word.expiry_day if days is None else expiry
    wider = widenings((word.allowed, word.expiry_day, present), (allowed, day, said))
    if wider:
        raise InputError(
            f"This is no narrowing of the consent of {account}: it {'; it '.join(wider)}. Leave that as it is, or grant anew "
            "instead of narrowing."
        )
    if names_nothing:
        raise InputError(_NOTHING_NAMED)
    return allowed, day, said


def _instead_of_narrowing(place: OnChain, dataset: DatasetId) -> str:
    from medfed.cli.meaning import is_asked

    if is_asked(place, dataset):
        return "`medfed patient status` says what there is"
    return "you are not asked for one there, and `grant` permits what you name and objects to all other use"


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
    from medfed.chain.consent_file import kind_of, write_signed
    from medfed.cli.meaning import meaning
    from medfed.errors import InputError
    from medfed.protocol.typed import consent_domain

    if out.exists():
        raise InputError(f"There is a file {out} already, which may not be brought yet; name another one.")
    write_signed(out, consent_domain(place.client.chain_id, place.contracts.consents.address), items)
    deadline = getattr(items[0].message, "deadline", None)
    day = "" if deadline is None else date_of(deadline // 86_400)
    means = meaning(place, items[0].message)
    data = {
        "file": str(out),
        "signed": len(items),
        "kind": kind_of(items[0]),
        "issued_at": items[0].message.issued_at,
        "deadline": day,
        "means": means,
    }
    whose = f", by your account {items[0].message.patient}" if len(items) == 1 else ""
    text = (
        f"Signed {len(items)} time{'s' * (len(items) > 1)} into {out}. It counts once somebody brings it"
        f"{day and f' before {day}'}: `medfed patient relay {out} --keystore RELAYER`. It is dated "
        f"{when(items[0].message.issued_at)} UTC{whose}."
    )
    show(data, as_json=as_json, render=lambda: [*means, text])


def _deliver_apart(
    place: OnChain, folder: Path, items: list[SignedMessage], without: list[DatasetId], as_json: bool
) -> None:
    """A file for each account, written in any order; `without` are the datasets that `unasked` finds."""
    from medfed.chain.consent_file import write_signed
    from medfed.cli.meaning import meaning
    from medfed.cli.patient_status import unasked_lines
    from medfed.errors import InputError
    from medfed.protocol.typed import consent_domain

    if not items:
        also = "".join(f" {line}" for line in unasked_lines(without))
        raise InputError(f"No account of this wallet has a consent that could be revoked.{also}")
    if folder.exists():
        raise InputError(f"There is a file or folder {folder} already; name another one.")
    folder.mkdir(parents=True)
    domain = consent_domain(place.client.chain_id, place.contracts.consents.address)
    files = [folder / f"{item.message.patient}.consent" for item in items]
    for file, item in secrets.SystemRandom().sample(list(zip(files, items, strict=True)), len(items)):
        write_signed(file, domain, [item])
    last, means = max(item.message.issued_at for item in items), meaning(place, items[0].message)
    data = {
        "folder": str(folder),
        "files": sorted(map(str, files)),
        "signed": len(items),
        "kind": "RevokeAll",
        "from": last,
        "means": means,
        "unasked": without,
    }
    told = [*means, _apart(place, files, last), *unasked_lines(without)]
    show(data, as_json=as_json, render=lambda: told)


def _apart(place: OnChain, files: list[Path], last: int) -> str:
    """What to do with the files, so that they show nothing more than they must."""
    folder, count = files[0].parent, len(files)
    waits = f" The last counts from {when(last)} UTC on." if last > place.client.head().timestamp + 1 else ""
    text = f"Signed for {count} account{'s' * (count > 1)}, each in a file of its own in {folder}.{waits} "
    if count == 1:
        return (
            text + f"It counts once somebody brings it: `medfed patient relay {files[0]} --keystore RELAYER`."
        )
    return text + (
        "Each counts once somebody brings it: `medfed patient relay FILE --keystore RELAYER`. Have them brought at different "
        "times and by different relayers: side by side, they show that the accounts are one person's. Being revoked soon "
        "matters more; if it is urgent, bring all of them now."
    )


def _gathered(files: list[Path]) -> tuple[list[str], list[Signed], list[dict[str, Any]]]:
    """What the files hold: where each consent stands, the consents, and the files that hold none.

    Raises `InputError` when there is no other file.
    """
    from medfed.chain.consent_file import read_signed
    from medfed.errors import InputError

    places, items, unread = [], [], []
    for file in files:
        try:
            found = read_signed(file)
        except InputError as exc:
            if len(files) == 1:
                raise
            unread.append({"where": str(file), "patient": "unknown", "reason": str(exc).removesuffix(".")})
            continue
        places += [f"{file}, consent {number}" for number in range(1, len(found) + 1)]
        items += found
    return places, items, unread
