"""A federation on Anvil whose keys and files a person at a terminal would have, and a way to type commands at it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from medfed.chain.wallet import load_wallet
from medfed.cli import main
from medfed.data.csv_source import write_csv
from medfed.data.patients import Entry, write_register
from tests.rig import studies

PASSWORD = "a password for tests"
DEPOSIT = "10000"
"""Tokens of each hospital: enough for the stakes of all studies of all tests."""
PATIENTS = 40
"""Of each hospital, with an account of the wallet `patients.json` for each; account 100 · n + i at hospital n."""


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self):
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one line on standard error."""
        (line,) = self.err.strip().splitlines()
        assert "Traceback" not in self.err
        return line.removeprefix("Error: ")


@dataclass(frozen=True)
class Terminal:
    """Types commands in a folder, in this process: what is printed is what a terminal would show."""

    folder: Path

    def __call__(self, *arguments, **environment) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        before = (sys.argv, Path.cwd(), dict(os.environ))
        sys.argv = ["medfed", *map(str, arguments)]
        os.chdir(self.folder)
        os.environ.update({"MEDFED_PASSWORD_FILE": "password.txt", "COLUMNS": "80"} | environment)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = _run()
        finally:
            sys.argv = before[0]
            os.chdir(before[1])
            os.environ.clear()
            os.environ.update(before[2])
        return Answer(code, out.getvalue(), err.getvalue())

    def ok(self, *arguments, **environment) -> Answer:
        """The same for a command that has to succeed."""
        answer = self(*arguments, **environment)
        assert answer.code == 0, f"{arguments}: {answer.err or answer.out}"
        return answer

    def data(self, *arguments):
        """The JSON answer of a command that has to succeed."""
        return self.ok(*arguments, "--json").data


def _run() -> int:
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="session")
def medfed(anvil, tmp_path_factory) -> Terminal:
    """A folder with settings, keys that have ether, and a finished deployment."""
    folder = tmp_path_factory.mktemp("terminal")
    terminal = Terminal(folder)
    (folder / "medfed.toml").write_text(
        f'rpc = "{anvil.url}"\nstore = "local:store"\nstate_dir = "state"\n', encoding="utf-8"
    )
    (folder / "password.txt").write_text(PASSWORD + "\n", encoding="utf-8")
    names = ["consortium", "sponsor", "relayer", "stranger"]
    names += [f"{role}-{number}" for number in (1, 2, 3) for role in ("admin", "operator")]
    keys = [f"{name}.json" for name in names]
    terminal.ok("key", "new", *keys, "--trial")
    terminal.ok("dev", "fund", *keys)
    terminal.ok("deploy", "--keystore", "consortium.json")
    return terminal


@pytest.fixture(scope="session")
def hospitals(medfed) -> list[int]:
    """Three admitted hospitals with a dataset and `DEPOSIT` tokens in the vault each, all of which their operators may
    lock; returns the datasets' numbers."""
    medfed.ok("patient", "keygen", "patients.json", "--trial")
    wallet = load_wallet(medfed.folder / "patients.json", PASSWORD)
    medfed.ok("dev", "mint", DEPOSIT, *(f"admin-{number}.json" for number in (1, 2, 3)))
    return [_hospital(medfed, wallet, number) for number in (1, 2, 3)]


def _hospital(medfed, wallet, number) -> int:
    home = medfed.folder / f"hospital-{number}"
    home.mkdir()
    data = studies.dataset(records=PATIENTS + 2, seed=number)
    write_csv(home / "records.csv", data)
    accounts = [(100 * number + row, record) for row, record in enumerate(data.record_ids[:PATIENTS])]
    entries = [
        Entry(record, wallet.account(index).address, wallet.link_secret(index)) for index, record in accounts
    ]
    write_register(home / "patients.csv", entries)
    medfed.ok("key", "encryption", f"hospital-{number}/encryption.json", "--trial")
    (home / "hospital.toml").write_text(
        f'name = "Hospital {number}"\nrecords = "records.csv"\npatients = "patients.csv"\nsecret = "secret.hex"\n'
        f'keystore = "../operator-{number}.json"\npassword_file = "../password.txt"\n'
        'encryption_key = "encryption.json"\nlabel = "ill"\n\n[policy]\nsponsors = ["*"]\npurposes = "GRU"\n'
        "largest_stake = 1000000000\n",
        encoding="utf-8",
    )
    medfed.ok(
        *("consortium", "admit", f"admin-{number}.json", f"operator-{number}.json", "--name"),
        *(f"Hospital {number}", "--keystore", "consortium.json"),
        *("--encryption-key", f"hospital-{number}/encryption.json"),
    )
    medfed.ok("vault", "deposit", DEPOSIT, "--keystore", f"admin-{number}.json")
    medfed.ok("vault", "allow", DEPOSIT, "--keystore", f"admin-{number}.json")
    return medfed.data("dataset", "register", f"hospital-{number}/hospital.toml", "--uses", "GRU", "--save")[
        "dataset"
    ]


@pytest.fixture(scope="session")
def study_text(medfed, hospitals) -> str:
    """A study file that fits the hospitals' records."""
    medfed.ok("study", "template", "study.toml", "--records", "hospital-1/records.csv", "--label", "ill")
    text = (medfed.folder / "study.toml").read_text(encoding="utf-8")
    medfed.ok("dev", "mint", "1000000", "sponsor.json")
    return text.replace("scale = 1.0", "scale = 2.0")


@pytest.fixture
def new_study(medfed, study_text):
    """Posts a study; `changes` replace text of its file. Returns its number."""

    def post(**changes) -> int:
        text = study_text
        for before, after in changes.get("replace", {}).items():
            assert before in text
            text = text.replace(before, after)
        (medfed.folder / "posted.toml").write_text(text, encoding="utf-8")
        return medfed.data("study", "create", "posted.toml", "--keystore", "sponsor.json")["study"]

    return post


@pytest.fixture
def new_course(medfed, hospitals, new_study):
    """Begins a study of one round, which is open and in which nobody has acted; `changes` as for `new_study`."""
    from tests.cli.course import Course

    def begin(**changes) -> Course:
        number = new_study(replace={"rounds = 5": "rounds = 1"} | changes.get("replace", {}))
        for place in range(1, len(hospitals) + 1):
            medfed.ok("hospital", "enrol", number, "--hospital", f"hospital-{place}/hospital.toml")
        medfed.ok("study", "open", number, "--keystore", "sponsor.json")
        return Course(medfed, number)

    return begin


@pytest.fixture
def course(new_course):
    """One without stakes."""
    return new_course(replace={'stake = "500"': "stake = 0", "max_attempts = 4": "max_attempts = 0"})


@pytest.fixture(scope="session")
def finished(medfed, hospitals, study_text) -> int:
    """A study of two rounds that three daemons, each a process of its own, have run to its end; nobody claimed yet."""
    for number in (1, 2, 3):
        medfed.ok(
            *(
                "patient",
                "sign",
                "grant",
                hospitals[number - 1],
                "--purposes",
                "HMB",
                "--keystore",
                "patients.json",
            ),
            *(
                "--out",
                f"all-{number}.consent",
                "--accounts",
                f"{100 * number}-{100 * number + PATIENTS - 2}",
            ),
        )
        medfed.ok("patient", "relay", f"all-{number}.consent", "--keystore", "relayer.json", "--spread", "0")
    (medfed.folder / "finished.toml").write_text(study_text.replace("rounds = 5", "rounds = 2"))
    study = medfed.data("study", "create", "finished.toml", "--keystore", "sponsor.json")["study"]
    with contextlib.ExitStack() as stack:
        for number in (1, 2, 3):
            stack.enter_context(_daemon(medfed.folder, number))
        medfed.ok("study", "watch", study, "--until", "ready", "--seconds", "0.1")
        medfed.ok("study", "open", study, "--keystore", "sponsor.json")
        medfed.ok("study", "watch", study, "--seconds", "0.1")
    return study


@contextlib.contextmanager
def _daemon(folder, number):
    command = [
        sys.executable,
        "-m",
        "medfed",
        "hospital",
        "run",
        "--hospital",
        f"hospital-{number}/hospital.toml",
    ]
    with (folder / f"hospital-{number}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
