"""Compare what stands on a chain with the contracts in `abi/` and the parameters; one line per check.

    python deploy/verify.py --rpc http://127.0.0.1:8545 [--network NAME | --params FILE] [--state-dir FOLDER]

Exits with 1 when a check fails.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from platformdirs import user_state_path

from medfed.chain.client import connect
from medfed.chain.deployment import load
from medfed.chain.params import parameters_for, read_parameters
from medfed.chain.verification import verify
from medfed.errors import MedFedError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Verify a deployment.")
    parser.add_argument("--rpc", required=True, help="address of the chain's RPC")
    parser.add_argument(
        "--network", help="name of the parameters in deploy/params; default: by the chain's id"
    )
    parser.add_argument("--params", type=Path, help="a parameters file instead")
    parser.add_argument("--state-dir", type=Path, default=user_state_path("medfed"))
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except MedFedError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def run(options: argparse.Namespace) -> int:
    client = connect(options.rpc)
    named = options.params or options.network
    parameters = parameters_for(client) if named is None else read_parameters(named)
    wrong = 0
    for check in verify(load(client, options.state_dir), parameters):
        print(check)
        wrong += not check.ok
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
