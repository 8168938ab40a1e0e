"""What `--keep` leaves beside chain, store and settings: everybody's keys, and a text that says how to go on."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import urlsplit

from medfed import durable
from medfed.chain.keys import save_keystore
from medfed.cli.demo.scenario import PASSWORD, Stage
from medfed.data.private_file import write_private

__all__ = ["write_keys"]

_README = """This is what a demo of MedFed left. Start its chain again in a terminal of its own, then try any command from within this
directory. Both need MedFed's programs on PATH (`medfed` is in .venv/bin of its checkout, `anvil` in node_modules/.bin).

    anvil --state {state} --port {port}

    medfed study show {study}
    medfed verify --study {study}
    medfed hospital disclose {study} --hospital hospital-1/hospital.toml --out disclosure.json
    medfed verify --study {study} --disclosure disclosure.json
    medfed patient status --password-file keys/password.txt keys/patient.json {dataset}
    medfed patient revoke --keystore keys/patient.json --password-file keys/password.txt {dataset}
    medfed doctor --hospital hospital-1/hospital.toml

keys/ holds the keystores of the consortium, the sponsor, the relayer, the hospitals' admin accounts and one patient of
hospital-1. All are for trying things out; keys/password.txt opens them.
"""


def write_keys(stage: Stage, folder: Path, rpc: str) -> None:
    """Write the keystores into `folder`/keys, and README.txt."""
    keys = folder / "keys"
    keys.mkdir(exist_ok=True)
    site = stage.sites[0]
    named = {
        "consortium": stage.cast.consortium,
        "sponsor": stage.cast.sponsor,
        "relayer": stage.cast.relayer,
        "patient": site.wallet.account(stage.consents.steady),
        **{f"{each.name}-admin": each.admin for each in stage.sites},
    }
    for name, account in named.items():
        save_keystore(keys / f"{name}.json", account, PASSWORD, trial=True)
    write_private(keys / "password.txt", PASSWORD.encode())
    port = urlsplit(rpc).port
    state = shlex.quote(str((folder / "chain.json").resolve()))
    text = _README.format(state=state, port=port, study=stage.study, dataset=site.dataset)
    durable.write(folder / "README.txt", text)
