"""`medfed doctor`: try everything a participant needs, one sentence for each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medfed.cli.output import JsonFlag, in_words, show

if TYPE_CHECKING:
    from medfed.chain.client import ChainClient
    from medfed.config import HospitalConfig
    from medfed.rounds.federation import OnChain
    from medfed.rounds.history import StudyHistory
    from medfed.types import HospitalId

__all__ = ["doctor"]

Check = tuple[str, Callable[[], str]]


def doctor(
    hospital: Annotated[
        Path | None, typer.Option(help="Try a hospital's file, data, keys and standing too.", exists=True)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Try everything that is needed, say what is wrong.

    Chain, contracts, events and store; with --hospital also its data, keys, policy, dataset, stake, what its daemon may lock, and
    what studies took from it. One line for each, and what to do where something is wrong. Exit code 2 when something is.
    """
    checks: list[Check] = [
        ("chain", _chain),
        ("contracts", _contracts),
        ("events", _events),
        ("store", _store),
    ]
    if hospital is not None:
        checks += _hospital_checks(hospital)
    found = [_try(name, check) for name, check in checks]
    lines = "\n".join(f"{_mark(entry)} {entry['check']}: {entry['found']}" for entry in found)
    show(found, as_json=as_json, render=lambda: lines)
    if not all(entry["ok"] for entry in found):
        raise typer.Exit(2)


class _Warning(Exception):
    """Nothing is wrong now, and somebody should know."""


def _try(name: str, check: Callable[[], str]) -> dict[str, object]:
    from medfed.errors import MedFedError

    try:
        return {"check": name, "ok": True, "warning": False, "found": check()}
    except _Warning as exc:
        return {"check": name, "ok": True, "warning": True, "found": str(exc)}
    except MedFedError as exc:
        return {"check": name, "ok": False, "warning": False, "found": str(exc)}


def _mark(entry: dict[str, object]) -> str:
    return "WARN" if entry["warning"] else "ok  " if entry["ok"] else "FAIL"


# -- the federation --------------------------------------------------------------------------------------------------


def _chain() -> str:
    from medfed.chain.clock import ChainClock
    from medfed.cli.run import open_client

    client = open_client()
    head = client.head()
    drift = round(abs(ChainClock(client).drift(head)))
    _complain(client)
    text = f"chain {client.chain_id} answers, block {head.number}"
    return text + (f", its time is {in_words(drift)} from this machine's" if drift > 60 else "")


def _complain(client: ChainClient) -> None:
    """Raise `_Warning` with what is wrong with nodes that others stand in for."""
    if client.complaints:
        raise _Warning(" ".join(client.complaints))


def _contracts() -> str:
    from medfed.chain.params import Parameters
    from medfed.chain.verification import administration_checks, contract_checks
    from medfed.cli.run import open_chain
    from medfed.errors import NotProved, WrongChain

    contracts = open_chain().contracts
    book = contracts.book
    with contextlib.suppress(NotProved):  # few nodes keep states so old
        contracts.check_start()
    parameters = Parameters(**{**book.parameters, "network": book.network})
    wrong = [check for check in contract_checks(contracts, parameters) if not check.ok]
    if wrong:
        raise WrongChain(
            f"{wrong[0].subject} is wrong: {wrong[0].found or 'not as this version made it'}; "
            "ask the consortium for the right addresses, or use the version that was deployed."
        )
    told = f"all {len(book.contracts)} are as this version made them; studies so far: {contracts.studies.study_count()}"
    changed = [check for check in administration_checks(contracts, parameters) if not check.ok]
    if changed:
        now = "; ".join(f"{check.subject} (now {check.found})" for check in changed)
        raise _Warning(f"{told}. Not so any more: {now}. Ask the consortium whether it meant that.")
    return told


def _events() -> str:
    """Raises `Contradicted` for a node that leaves some out."""
    from medfed.cli.run import open_federation

    federation = open_federation()
    index = federation.index
    _complain(federation.client)
    return f"{index.count()} up to block {index.checkpoint.number}, as many as the contracts count"


def _store() -> str:
    from medfed.cli.run import settings
    from medfed.storage import open_store

    store = open_store(settings().store)
    store.get(store.put(b"medfed doctor"), 64)
    return f"{settings().store} gives back what was put"


# -- one hospital ----------------------------------------------------------------------------------------------------


def _hospital_checks(file: Path) -> list[Check]:
    checks = {
        "data": _data,
        "key": _key,
        "policy": _policy,
        "admission": _admission,
        "dataset": _dataset,
        "stake": _stake,
        "losses": _losses,
    }
    return [(name, _with_config(file, check)) for name, check in checks.items()]


def _with_config(file: Path, check: Callable[[HospitalConfig], str]) -> Callable[[], str]:
    def run() -> str:
        from medfed.config import load_hospital

        return check(load_hospital(file))

    return run


def _data(config: HospitalConfig) -> str:
    from medfed.data.csv_source import load_csv
    from medfed.data.patients import load_register

    records, register = (
        load_csv(config.records, label=config.label, date=config.date_column),
        load_register(config.patients),
    )
    known = len(register.present(records))
    return f"{len(records)} records; {known} patients with a record are in the register"


def _key(config: HospitalConfig) -> str:
    from medfed.cli.run import open_account, open_client
    from medfed.errors import OutOfFunds

    operator = open_account(config.keystore, config.password_file).address
    ether = open_client().balance(operator) / 10**18
    if ether < config.daemon.low_ether:
        raise OutOfFunds(
            f"The operator {operator} has {ether:g} ether for gas, less than {config.daemon.low_ether:g}; send it some."
        )
    return f"the operator is {operator} with {ether:g} ether for gas"


def _policy(config: HospitalConfig) -> str:
    from medfed.errors import ConfigError
    from medfed.nodes.policy import confirmed
    from medfed.protocol import purposes as duo
    from medfed.types import StudyId

    policy = config.policy
    for name in ("sponsors", "purposes", "models"):
        if not getattr(policy, name):
            raise ConfigError(f"The policy names no {name}, so that every study is refused; name some.")
    allowed = duo.parse(policy.purposes)
    duo.check_consent(allowed)
    confirmed(policy, StudyId(0))  # reads every entry
    for sponsor in policy.sponsors:
        _check_sponsor(sponsor)
    how = "after a person's approval" if policy.approval else "without a person's approval"
    return f"allows {duo.describe(allowed)}, {how}"


def _check_sponsor(sponsor: str) -> None:
    from medfed.chain.calls import parse_address

    if sponsor != "*":
        parse_address(sponsor)


def _admission(config: HospitalConfig) -> str:
    return f"the hospital is {_hospital(config)}, active"


def _hospital(config: HospitalConfig) -> HospitalId:
    from medfed.chain.contracts.consortium import HospitalStatus
    from medfed.cli.run import keystore_address, open_chain
    from medfed.errors import PolicyRefusal

    consortium, operator = open_chain().contracts.consortium, keystore_address(config.keystore)
    hospital = consortium.hospital_of(operator)
    if hospital is None:
        raise PolicyRefusal(
            f"{operator} is the operator of no hospital here; the consortium admits one with `medfed consortium admit`."
        )
    if consortium.hospital(hospital).status is not HospitalStatus.ACTIVE:
        raise PolicyRefusal(f"Hospital {hospital} is suspended; ask the consortium to reinstate it.")
    return hospital


def _dataset(config: HospitalConfig) -> str:
    from medfed.cli.run import open_chain
    from medfed.data.commitments import records_root
    from medfed.data.csv_source import load_csv
    from medfed.data.private_file import load_or_create_secret
    from medfed.errors import ConfigError, DataError
    from medfed.types import DatasetId

    if config.dataset is None:
        raise ConfigError(
            "The hospital's file names no dataset; `medfed dataset register --save` registers one."
        )
    datasets, number = open_chain().contracts.datasets, DatasetId(config.dataset)
    found = datasets.dataset(number)
    if datasets.owner(number) != _hospital(config):
        raise ConfigError(f"Dataset {number} belongs to another hospital; correct `dataset` in the file.")
    if found.retired:
        raise ConfigError(f"Dataset {number} is retired; register another one.")
    if not config.secret.exists():
        raise DataError(f"The secret {config.secret} is missing; restore it from the backup.")
    records = load_csv(config.records, label=config.label, date=config.date_column)
    if records_root(records, load_or_create_secret(config.secret)) != found.records_root:
        raise DataError(
            f"The records are not those of dataset {number}, version {found.version}; restore them, "
            "or publish them as the next version with `medfed dataset publish`."
        )
    return f"dataset {number}, version {found.version}, is these records"


def _stake(config: HospitalConfig) -> str:
    from medfed.cli.run import open_federation
    from medfed.rounds.history import read_study, study_ids

    federation, hospital = open_federation(), _hospital(config)
    studies = [read_study(federation.index, number) for number in study_ids(federation.index)]
    waiting = [
        study
        for study in studies
        if not study.rounds
        and not study.ended
        and study.enrolment(hospital) is None
        and study.terms.stake <= config.policy.largest_stake
    ]
    for study in waiting:
        _check_stake(federation, hospital, study)
    return f"enough, and allowed, for what could be joined now; studies that wait: {len(waiting)}"


def _losses(config: HospitalConfig) -> str:
    """Raise `_Warning` with all that studies took from the hospital's stakes and bonds."""
    from medfed.cli.amounts import coin_of
    from medfed.cli.run import open_federation
    from medfed.rounds.history import read_study, study_ids
    from medfed.rounds.takings import REASONS, takings

    federation, hospital = open_federation(), _hospital(config)
    told = []
    for number in study_ids(federation.index):
        study = read_study(federation.index, number)
        if mine := [
            each for each in takings(federation.index, study) if study.entry(each.seat).hospital == hospital
        ]:
            coin = coin_of(federation, study.terms.token)
            told += [
                f"study {number} took {coin.text(each.amount)} in round {each.round}: {REASONS[each.cause]}"
                for each in mine
            ]
    if told:
        raise _Warning("; ".join(told))
    return "nothing was taken from the stakes and bonds of this hospital"


def _check_stake(place: OnChain, hospital: HospitalId, study: StudyHistory) -> None:
    """Raise `OutOfFunds` for a study whose stake the hospital's daemon cannot lock."""
    from medfed.cli.amounts import coin_of
    from medfed.errors import OutOfFunds
    from medfed.types import Address

    vault, account, stake = place.contracts.vault, Address(hospital), study.terms.stake
    coin = coin_of(place, study.terms.token)
    asks = f"Study {study.study} asks for a stake of {coin.text(stake)}"
    free, allowance = vault.balance(account, coin.address).free, vault.allowance(account, coin.address)
    if free < stake:
        raise OutOfFunds(
            f"{asks} and {hospital} has {coin.text(free)} free; deposit more with `medfed vault deposit`."
        )
    if allowance.left < stake:
        raise OutOfFunds(
            f"{asks} and the daemon may lock {coin.text(allowance.left)} more; its admin account allows "
            f"{coin.text(allowance.used + stake)} in all with `medfed vault allow`."
        )
