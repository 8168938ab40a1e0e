"""`medfed dataset`: commit to records and register them, and keep the register of patients."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medfed import durable
from medfed.cli.key import PasswordFile
from medfed.cli.output import JsonFlag, date_of, printable, show, table, when

if TYPE_CHECKING:
    from medfed.cli.patient_status import Standing
    from medfed.config import HospitalConfig
    from medfed.protocol.basis import Basis
    from medfed.rounds.federation import OnChain
    from medfed.types import Address, Cid, DatasetId

__all__ = ["app"]

app = typer.Typer(
    name="dataset",
    help="Register datasets and the patients behind their records.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(help="The hospital's file (TOML).", exists=True, dir_okay=False)]
Number = Annotated[int, typer.Argument(help="The dataset's number.", min=1)]
Keystore = Annotated[
    Path,
    typer.Option("--keystore", help="Keystore of the admin account of the hospital that owns the dataset."),
]
IssuersKeystore = Annotated[
    Path, typer.Option("--keystore", help="Keystore of the account that permits the dataset's uses.")
]
Uses = Annotated[str, typer.Option(help="What the records may be used for, e.g. GRU or HMB,NPU.")]
Disease = Annotated[int, typer.Option(help="Disease code, 0 for none.", min=0)]
Ground = Annotated[
    str,
    typer.Option("--basis", help="Why patients count: consent, opt-out (unless they object), or permit."),
]
Issuer = Annotated[
    str,
    typer.Option(help="Who permits studies, with --basis permit: an address, or the path of a keystore."),
]
Save = Annotated[
    bool, typer.Option("--save", help="Write the new dataset's number into the hospital's file.")
]
_TABLE = re.compile(r"^\s*\[", re.MULTILINE)
_LINE = re.compile(r"^dataset\s*=.*\n?", re.MULTILINE)


@app.command("register")
def register(  # noqa: PLR0913, PLR0917 - one parameter for each option
    hospital: File,
    uses: Uses,
    disease: Disease = 0,
    after: Annotated[
        int,
        typer.Option(help="An earlier dataset of the same hospital that this one comes after.", min=0),
    ] = 0,
    title: Annotated[
        str,
        typer.Option(
            help="What patients read when they sign, for good, e.g. Breast cytology (default: none yet)."
        ),
    ] = "",
    basis: Ground = "consent",
    issuer: Issuer = "",
    save: Save = False,
    as_json: JsonFlag = False,
) -> None:
    """Commit to a hospital's records and register them. No record leaves the site.

    Sent with the operator's key that the file names. A register of patients that does not exist yet is begun. Uses, disease and
    basis cannot be changed later: whoever registers the records anew (`--after`) asks the patients anew.
    """
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.config import load_hospital
    from medfed.types import DatasetId

    config = load_hospital(hospital)
    if save:
        _check_replaced(hospital, config.dataset, after)
    federation = open_federation()
    sender = open_sender(federation, open_account(config.keystore, config.password_file))
    number = actions.register_dataset(
        federation,
        sender,
        _files(config),
        uses=uses,
        disease=disease,
        label=config.label,
        date=config.date_column,
        ground=_ground(basis, issuer),
        after=DatasetId(after) if after else None,
        title=title,
    )
    _tell_number(hospital, number, save, as_json)


@app.command("title")
def give_title(
    hospital: File,
    words: Annotated[str, typer.Argument(metavar="TITLE", help="At most 64 bytes, e.g. Breast cytology.")],
    as_json: JsonFlag = False,
) -> None:
    """Give the hospital's dataset its title, once and for good. Patients read it when they sign."""
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.config import load_hospital

    config = load_hospital(hospital)
    number, place = _number(config, hospital), open_chain()
    sender = open_sender(place, open_account(config.keystore, config.password_file))
    sender.send(place.contracts.datasets.give_title(number, words))
    data = {"dataset": int(number), "title": words}
    show(data, as_json=as_json, render=lambda: f"Dataset {number} is called {words}.")


@app.command("publish")
def publish(
    hospital: File,
    as_json: JsonFlag = False,
) -> None:
    """Commit to the records as the next version.

    Studies that run keep the version they pinned; those that enrol later pin this one. What the records may be used for, and
    their disease, stay.
    """
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.config import load_hospital

    config = load_hospital(hospital)
    number = _number(config, hospital)
    federation = open_federation()
    sender = open_sender(federation, open_account(config.keystore, config.password_file))
    columns = {"label": config.label, "date": config.date_column}
    version = actions.publish_dataset(federation, sender, number, _files(config), **columns)
    show(
        {"dataset": int(number), "version": version},
        as_json=as_json,
        render=lambda: f"Dataset {number} has version {version} now.",
    )


@app.command("retire")
def retire(
    dataset: Number, keystore: Keystore, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Take a dataset out of use, for good. No study can enrol it any more; studies that run are not touched."""
    _sent("retire", dataset, (keystore, password_file))
    show({"dataset": dataset}, as_json=as_json, render=lambda: f"Dataset {dataset} is retired.")


# -- handing over ----------------------------------------------------------------------------------------------------


@app.command("offer")
def offer(
    dataset: Number,
    hospital: Annotated[
        str, typer.Argument(help="Who may take it over: a hospital's address, or the keystore file it has.")
    ],
    keystore: Keystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Let another hospital take a dataset over. The data themselves go another way, outside of this.

    It accepts with `medfed dataset accept`, when no study has the dataset enrolled; then the dataset is retired, and its patients
    are asked anew for the successor. Another offer takes the place of this one.
    """
    from medfed.cli.run import party

    receiver = party(hospital)
    _sent("offer", dataset, (keystore, password_file), receiver)
    lines = [
        f"Dataset {dataset} is offered to {receiver}.",
        f"Its admin account accepts: `medfed dataset accept {dataset} FILE`.",
    ]
    show({"dataset": dataset, "hospital": receiver}, as_json=as_json, render=lambda: lines)


@app.command("withdraw")
def withdraw(
    dataset: Number, keystore: Keystore, password_file: PasswordFile = None, as_json: JsonFlag = False
) -> None:
    """Take an offer back."""
    _sent("withdraw", dataset, (keystore, password_file))
    text = f"Dataset {dataset} is offered to nobody."
    show({"dataset": dataset}, as_json=as_json, render=lambda: text)


@app.command("permit")
def permit(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Number,
    study: Annotated[int, typer.Argument(help="The study's number.", min=1)],
    decision: Annotated[
        str,
        typer.Argument(
            help="The document that holds the decision: its file, of which only the CID is sent, or its CID."
        ),
    ],
    until: Annotated[str, typer.Option(help="The first day that is not permitted any more: 2027-03-01.")],
    keystore: IssuersKeystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Permit a dataset's use in a study. By its issuer; in place of what was decided before."""
    from medfed.cli.run import open_chain
    from medfed.cli.spans import day_of
    from medfed.errors import InputError
    from medfed.protocol.cid import digest_of

    cid, day = _document(decision), day_of(until)
    if study > open_chain().contracts.studies.study_count():
        raise InputError(
            f"There is no study {study} yet, and whoever posts the next one has its number; permit it once it is there and has been read."
        )
    _sent("permit", dataset, (keystore, password_file), study, digest_of(cid), day)
    data = {"dataset": dataset, "study": study, "decision": cid, "until": date_of(day)}
    text = f"Dataset {dataset} may be used in study {study} until {date_of(day)} begins (UTC), by the decision {cid}."
    show(data, as_json=as_json, render=lambda: text)


@app.command("withdraw-permit")
def withdraw_permit(
    dataset: Number,
    study: Annotated[int, typer.Argument(help="The study's number.", min=1)],
    keystore: IssuersKeystore,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """End a permit. Rounds that are open go on; later ones use no patient of the dataset. By the dataset's issuer."""
    from medfed.errors import ContractRevert

    try:
        _sent("withdraw_permit", dataset, (keystore, password_file), study)
    except ContractRevert as exc:
        if exc.name != "StudyNotPermitted":
            raise
        raise ContractRevert(
            f"Study {study} has no permit for dataset {dataset} that could be withdrawn; look whether both numbers are right.",
            name=exc.name,
            values=exc.values,
        ) from None
    text = f"Dataset {dataset} may be used in study {study} no more."
    show({"dataset": dataset, "study": study}, as_json=as_json, render=lambda: text)


@app.command("accept")
def accept(  # noqa: PLR0913, PLR0917 - one parameter for each option
    dataset: Number,
    hospital: File,
    uses: Uses,
    keystore: Annotated[
        Path,
        typer.Option("--keystore", help="Keystore of the admin account of the hospital that takes over."),
    ],
    disease: Disease = 0,
    basis: Ground = "consent",
    issuer: Issuer = "",
    password_file: PasswordFile = None,
    save: Save = False,
    as_json: JsonFlag = False,
) -> None:
    """Take over a dataset that is offered to the hospital. Commits to its records, as the file names them, under a new number.

    No consent goes with it: patients consent to the new number, with the uses and the disease that it is given here.
    """
    from medfed.cli import actions
    from medfed.cli.run import open_account, open_federation, open_sender
    from medfed.config import load_hospital
    from medfed.types import DatasetId

    config = load_hospital(hospital)
    federation = open_federation()
    sender = open_sender(federation, open_account(keystore, password_file))
    files = _files(config)
    number = actions.accept_dataset(
        federation,
        sender,
        DatasetId(dataset),
        files,
        uses=uses,
        disease=disease,
        label=config.label,
        date=config.date_column,
        ground=_ground(basis, issuer),
    )
    _tell_number(hospital, number, save, as_json)


def _document(text: str) -> Cid:
    """The CID of a document, which is named by its file or its CID. Raises `InputError`."""
    from medfed.errors import InputError, ProtocolError
    from medfed.protocol.cid import check_cid, cid_of

    file = Path(text)
    try:
        if file.is_file() and not file.stat().st_size:
            raise InputError(f"The document {text} is empty; name the file that holds the decision.")
        return cid_of(file) if file.is_file() else check_cid(text)
    except ProtocolError:
        raise InputError(
            f"{printable(text, 80)} is neither a file nor a CID of the kind that stands on chain (bafybei…); name the document's file."
        ) from None
    except OSError as exc:
        raise InputError(f"The document {text} cannot be read: {exc.strerror}.") from None


def _sent(what: str, dataset: int, key: tuple[Path, Path | None], *further: object) -> None:
    """Send one of the calls about a dataset."""
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.types import DatasetId

    place = open_chain()
    sender = open_sender(place, open_account(*key))
    sender.send(getattr(place.contracts.datasets, what)(DatasetId(dataset), *further))


def _ground(basis: str, issuer: str) -> tuple[Basis, Address]:
    """What `--basis` and `--issuer` say."""
    from medfed.cli.run import party
    from medfed.protocol.basis import Basis
    from medfed.types import NO_ACCOUNT

    return Basis.parse(basis), party(issuer) if issuer else NO_ACCOUNT


def _check_replaced(hospital: Path, named: int | None, after: int) -> None:
    """Raise `InputError` where the file names a dataset that the new one does not come after: its patients would be left behind."""
    from medfed.errors import InputError

    if named not in (None, after):
        raise InputError(
            f"{hospital} names dataset {named} already, and no consent goes along to a new one. `medfed dataset publish` commits to other "
            f"records of dataset {named}, `--after {named}` registers it anew; for another dataset, or another chain, take the line "
            "`dataset` out first."
        )


def _tell_number(hospital: Path, number: DatasetId, save: bool, as_json: bool) -> None:
    if save:
        _save(hospital, number)
    text = f"Dataset {number} is registered" + (
        f", and named in {hospital}." if save else f"; write `dataset = {number}` into {hospital}."
    )
    show({"dataset": int(number), "saved": save}, as_json=as_json, render=lambda: text)


# -- patients --------------------------------------------------------------------------------------------------------


@app.command("enlist")
def enlist(
    hospital: File,
    record: Annotated[str, typer.Argument(help="The record's id in the hospital's CSV file.")],
    card: Annotated[Path, typer.Argument(help="The patient's card (`medfed patient card`).")],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="The record's patient has another account now, as after a lost wallet."
        ),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Enter a patient's card in the register, for one record. Nothing leaves the site.

    A patient with several records is enlisted once for each. A daemon that runs reads the register when it next starts.
    With --replace all records of that patient go to the account of the card, and the register as it was is kept beside it: what
    rounds before used is shown with it.
    """
    from medfed.cli.cards import read_card
    from medfed.config import load_hospital
    from medfed.data.csv_source import load_csv
    from medfed.data.patients import Entry, add_entry, former_register, replace_patient
    from medfed.errors import InputError

    config, shown = load_hospital(hospital), read_card(card)
    if record not in load_csv(config.records, label=config.label, date=config.date_column).record_ids:
        raise InputError(
            f"The records of {hospital} have no record_id {printable(record, 80)!r}; look it up in {config.records}."
        )
    if config.dataset not in (None, shown.dataset):
        raise InputError(
            f"The card {card} is for dataset {shown.dataset}, and {hospital} names dataset {config.dataset}; "
            f"ask the patient for a card of dataset {config.dataset}."
        )
    entry = Entry(record, shown.patient, shown.link_secret)
    if replace:
        former = former_register(config.patients, shown.patient)
        count = replace_patient(config.patients, entry, former)
        show(
            {"replaced": count, "former": str(former)},
            as_json=as_json,
            render=lambda: (
                f"{count} record{'s' * (count > 1)} of this patient {'have' if count > 1 else 'has'} the card's account now; "
                f"keep the register as it was, {former}: what rounds used before is shown with it. "
                "A daemon that runs has to be started again to read the new one. Where nobody is asked for consent, an objection of the "
                f"account before does not go along: unless the patient wants that, `medfed dataset revoke-for {shown.patient} "
                f"{shown.dataset}` first."
            ),
        )
        return
    count = add_entry(config.patients, entry)
    show(
        {"register": count},
        as_json=as_json,
        render=lambda: f"Entered; the register has {count} records with a patient now.",
    )


@app.command("revoke-for")
def revoke_for(
    patient: Annotated[str, typer.Argument(help="The patient's address, or card for that dataset.")],
    dataset: Number,
    keystore: Annotated[
        Path,
        typer.Option(
            "--keystore", help="Keystore of the operator, or the admin account, of the hospital that owns it."
        ),
    ],
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Revoke a consent for a patient. For a lost key, or a request on paper. No hospital can grant for a patient.

    Of a dataset whose patients are not asked for one, it objects to every use.
    """
    from medfed.cli.patient_sign import known
    from medfed.cli.run import open_account, open_chain, open_sender
    from medfed.protocol.basis import Basis

    place = open_chain()
    number = known(place, dataset)
    account, before = _patient(place, patient, number)
    nothing = "the patient objected already" if before.objected else before.why_not_revoke()
    sender = open_sender(place, open_account(keystore, password_file))
    sender.send(place.contracts.consents.revoke_for(account, number))
    what = "Revoked" if before.basis is Basis.CONSENT else "Objected"
    lines = [f"{what} for {account}; rounds that open from now on will not use the record."]
    lines += (
        [f"There was nothing to take back: {nothing}. Look whether account and dataset are right."]
        if nothing
        else []
    )
    data = {"patient": account, "dataset": dataset, "remark": nothing}
    show(data, as_json=as_json, render=lambda: lines)


def _patient(place: OnChain, text: str, dataset: DatasetId) -> tuple[Address, Standing]:
    """The account of an address or a card, and where it stands with a dataset. Raises `InputError`, also for a card of a dataset that
    this one does not come after."""
    from medfed.cli.cards import is_card, read_card
    from medfed.cli.patient_status import standing
    from medfed.cli.run import party
    from medfed.errors import InputError

    if not is_card(Path(text)):
        account = party(text)
        return account, standing(place, account, dataset)
    card = read_card(Path(text))
    stand = standing(place, card.patient, dataset)
    if card.dataset not in stand.states:
        raise InputError(
            f"The card {text} is for dataset {card.dataset}, and the patient has another account for dataset {dataset}; "
            "look whether the number is right."
        )
    return card.patient, stand


@app.command("list")
def list_datasets(as_json: JsonFlag = False) -> None:
    """List every version of every dataset on chain."""
    from medfed.chain.history import datasets
    from medfed.cli.names import hospital_names
    from medfed.cli.run import open_federation
    from medfed.protocol import purposes as duo

    index = open_federation().index
    found, names = datasets(index), hospital_names(index)
    titles = {event["dataset"]: event["title"] for event in index.events("DatasetTitled")}
    owners = {event["dataset"]: event["hospital"] for event in index.events("DatasetRegistered")}
    data = [
        {
            "dataset": int(d.dataset),
            "title": titles.get(d.dataset, ""),
            "owner": owners[d.dataset],
            "hospital": names[owners[d.dataset]],
            "version": d.version,
            "records": d.info.records,
            "quality": d.info.quality,
            "uses": duo.names(d.info.uses),
            "disease": d.info.disease,
            "basis": d.info.basis.label,
        }
        for d in found
    ]
    rows = [
        (
            *(facts["dataset"], _titled(facts["title"], facts["hospital"]), facts["version"]),
            *(facts["records"], f"{facts['quality'] / 100:.0f} %", ", ".join(facts["uses"]), facts["basis"]),
        )
        for facts in data
    ]
    columns = ["No.#", "Title, hospital", "Ver.#", "Records#", "Quality#", "Uses", "Basis"]
    empty = "No dataset is registered; `medfed dataset register` registers one."
    show(data, as_json=as_json, render=lambda: table("Datasets", columns, rows) if rows else empty)


def _titled(title: str, hospital: str) -> str:
    """Title and hospital in one cell, so that the table fits a terminal."""
    return "\n".join(filter(None, (printable(title, 64), hospital)))


@app.command("show")
def show_dataset(dataset: Number, as_json: JsonFlag = False) -> None:
    """Show one dataset. Its owner, version, uses, basis, and how many studies hold it."""
    from medfed.cli.run import open_chain
    from medfed.protocol import purposes as duo
    from medfed.types import DatasetId

    place, number = open_chain(), DatasetId(dataset)
    datasets = place.contracts.datasets
    owner, found, offered = datasets.owner(number), datasets.dataset(number), datasets.offered_to(number)
    title, issuer = datasets.title(number), datasets.issuer(number)
    hospital = place.contracts.consortium.name_of(owner)
    data = {
        "dataset": dataset,
        "owner": owner,
        "hospital": hospital,
        "title": title,
        "version": found.version,
        "records": found.records,
        "records_root": found.records_root,
        "uses": duo.names(found.uses),
        "disease": found.disease,
        "basis": found.basis.label,
        "issuer": issuer,
        "quality": found.quality,
        "studies": found.enrolments,
        "updated_at": found.updated_at,
        "retired": found.retired,
        "predecessor": found.predecessor or None,
        "offered_to": offered,
    }
    called = f", {printable(title)}," if title else ""
    text = (
        f"Dataset {dataset}{called} of {f'{printable(hospital)}, ' if hospital else ''}{owner}{', retired' if found.retired else ''}\n"
        f"version {found.version} of {when(found.updated_at)} UTC: {found.records} records, "
        f"quality {found.quality / 100:.0f} %\n"
        f"may be used for: {duo.describe(found.uses)}\n"
        f"basis: {found.basis.label}{f', issued by {issuer}' if issuer else ''}\n"
        f"held by {found.enrolments} running {'study' if found.enrolments == 1 else 'studies'}"
        + (f"\ncomes after dataset {found.predecessor}" if found.predecessor else "")
        + (f"\noffered to {offered}" if offered else "")
    )
    show(data, as_json=as_json, render=lambda: text)


def _files(config: HospitalConfig) -> tuple[Path, Path, Path]:
    """Records, register and secret; the register is begun when there is none."""
    from medfed.data.patients import write_register

    if not config.patients.exists():
        write_register(config.patients, [])
    return config.records, config.patients, config.secret


def _number(config: HospitalConfig, file: Path) -> DatasetId:
    from medfed.errors import ConfigError
    from medfed.types import DatasetId

    if config.dataset is None:
        raise ConfigError(f"{file} names no dataset; register one, or write `dataset = NUMBER` into it.")
    return DatasetId(config.dataset)


def _save(file: Path, number: DatasetId) -> None:
    """Put the number before the first table of a TOML file, in place of an earlier one."""
    text = file.read_text(encoding="utf-8")
    first = _TABLE.search(text)
    head, tables = (text, "") if first is None else (text[: first.start()], text[first.start() :])
    head = _LINE.sub("", head).rstrip("\n")
    durable.write(file, f"{head}\ndataset = {number}\n\n{tables}".rstrip("\n") + "\n")
