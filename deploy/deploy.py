"""Deploy the contracts from `abi/`, without a compiler.

    python deploy/deploy.py --rpc http://127.0.0.1:8545                              a development chain
    python deploy/deploy.py --rpc URL --network sepolia --keystore FILE --password-file FILE [--dry-run]

Killed at any point and run again, it completes without a second copy of a contract; run on a finished deployment it
does what was never done. `medfed deploy` does the same outside the repository.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from platformdirs import user_state_path

from medfed.chain.calls import parse_address
from medfed.chain.client import ChainClient, connect
from medfed.chain.deployer import Deployer, Order, Step
from medfed.chain.keys import Account, development_account, load_keystore, read_password
from medfed.chain.params import Parameters, parameters_for, read_parameters
from medfed.chain.sender import Sender
from medfed.errors import ConfigError, MedFedError

ETHER = 10**18


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        run(options)
    except MedFedError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description="Deploy the contracts, or complete a deployment.")
    made.add_argument("--rpc", required=True, help="address of the chain's RPC")
    made.add_argument("--network", help="name of the parameters in deploy/params; default: by the chain's id")
    made.add_argument("--params", type=Path, help="a parameters file instead")
    made.add_argument("--keystore", type=Path, help="the deployer's key; not needed on a development chain")
    made.add_argument("--password-file", type=Path)
    made.add_argument("--admin", help="give the admin's roles to this address, too; it takes them over")
    made.add_argument("--accept", action="store_true", help="take the roles over that --admin gave")
    made.add_argument("--dry-run", action="store_true", help="print the plan and its gas, send nothing")
    made.add_argument("--allow-plain", action="store_true", help="accept a chain that is not for development")
    made.add_argument("--state-dir", type=Path, default=user_state_path("medfed"))
    return made


def run(options: argparse.Namespace) -> None:
    client = connect(options.rpc)
    sender = Sender(client, account_of(options, client), options.state_dir / "sent")
    admin = None if options.admin is None else parse_address(options.admin)
    order = Order(
        parameters_of(options, client), options.state_dir, admin, options.allow_plain, options.accept
    )
    if options.dry_run:
        show(Deployer(order, sender).plan(), client.fees().base)
        return
    report = Deployer(order, sender, print).run()
    print("\n".join(report.told()))


def parameters_of(options: argparse.Namespace, client: ChainClient) -> Parameters:
    if options.params is not None:
        return read_parameters(options.params)
    return parameters_for(client) if options.network is None else read_parameters(options.network)


def account_of(options: argparse.Namespace, client: ChainClient) -> Account:
    if options.keystore is not None:
        if options.password_file is None:
            raise ConfigError("A keystore needs --password-file.")
        return load_keystore(options.keystore, read_password(options.password_file))
    if not client.is_development:
        raise ConfigError(
            "Deploying on a chain that is not for development needs --keystore and --password-file."
        )
    account = development_account(options.state_dir, "deployer")
    if client.balance(account.address) < ETHER:
        client.set_balance(account.address, 100 * ETHER)
    return account


def show(steps: list[Step], base_fee: int) -> None:
    for step in steps:
        print(f"{step.gas:>10,}  {step.what}{f' at {step.address}' if step.address else ''}")
    gas = sum(step.gas for step in steps)
    print(f"{gas:>10,}  gas in all, {gas * base_fee / ETHER:.6f} ether at today's base fee")


if __name__ == "__main__":
    raise SystemExit(main())
