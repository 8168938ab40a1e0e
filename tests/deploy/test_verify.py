"""Verification: one line per check, and every kind of difference found."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from medfed.chain.addresses import Placed
from medfed.chain.administration import acts, contract_facts, holders, settings
from medfed.chain.calls import Call
from medfed.chain.client import connect
from medfed.chain.contracts import Role
from medfed.chain.deployer import Deployer, Order, creation
from medfed.chain.deployment import deployment_of, load, open_index
from medfed.chain.keys import create_keystore, new_account
from medfed.chain.params import parameters_for
from medfed.chain.sender import Sender
from medfed.chain.verification import verify
from medfed.types import Address
from tests.deploy.conftest import ETHER

ROOT = Path(__file__).parents[2]
STRANGER = Address("0x" + "12" * 20)


@pytest.fixture
def sender(chain):
    account = new_account()
    chain.set_balance(account.address, 100 * ETHER)
    return Sender(chain, account)


@pytest.fixture
def deployed(chain, sender, tmp_path):
    Deployer(Order(parameters_for(chain), tmp_path), sender).run()
    return load(chain, tmp_path)


def contract_call(contract, function, *values):
    return Call(contract.address, contract.interface.encode(function, *values), label=function)


def wrong(deployment, parameters=None):
    found = verify(deployment, parameters or parameters_for(deployment.client))
    return [str(check) for check in found if not check.ok]


def moved(deployment, name, address):
    """The same deployment with contract `name` said to stand elsewhere."""
    placed = Placed(address, deployment.book.block, ())
    return deployment_of(
        deployment.client, replace(deployment.book, contracts={**deployment.book.contracts, name: placed})
    )


def test_all_is_well(deployed):
    """Every contract, every restricted function, every role and token has its line."""
    checks = list(verify(deployed, parameters_for(deployed.client)))
    assert all(check.ok for check in checks)
    text = "\n".join(map(str, checks))
    for name in deployed.book.contracts:
        assert f"code and constructor of {name}" in text
    for function in ("Consortium.admit", "StakeVault.allowToken", "StakeVault.pause", "ModelMarket.setTerms"):
        assert f"{function} asks for" in text
    assert len({check.subject for check in checks}) == len(checks)


def test_other_code(deployed):
    """A contract that is not this version's is found, also when it is another of ours."""
    other = deployed.book.contracts["SumRule"].address
    assert any(
        "the code is not that of this version" in line for line in wrong(moved(deployed, "StakeVault", other))
    )


def test_no_code(deployed):
    """An address without a contract is found."""
    lines = wrong(moved(deployed, "SumRule", new_account().address))
    assert lines == [line for line in lines if "SumRule" in line]
    assert "there is no contract" in lines[0]


def test_other_constructor_values(deployed, sender):
    """A contract of the right code that was wired to something else is found by its immutable values."""
    places = [deployed.manager.address, *(new_account().address for _ in range(6)), 5000]
    impostor = sender.send(creation("StakeVault", tuple(places))).contract
    lines = wrong(moved(deployed, "StakeVault", impostor))
    assert any("a constructor value is 0x" in line and "StakeVault" in line for line in lines)


def test_self_reference_in_place_of_a_contract(deployed, sender):
    """A contract that names itself where it should name another does not pass as one that knows its own address."""
    client = deployed.client
    from medfed.chain.calls import create_address

    own = create_address(sender.address, client.nonce(sender.address))
    impostor = sender.send(creation("ConsentRegistry", (deployed.consortium.address, own))).contract
    assert impostor == own
    assert any(
        "a constructor value is 0x" in line for line in wrong(moved(deployed, "ConsentRegistry", impostor))
    )


def test_other_parameters(deployed):
    """A deployment is held against the parameters that it is said to have."""
    shipped = parameters_for(deployed.client)
    studies = shipped.studies.model_copy(update={"slash_bps": 77})
    lines = wrong(deployed, shipped.model_copy(update={"studies": studies}))
    assert len(lines) == 1
    assert "Studies" in lines[0]
    assert "a constructor value" in lines[0]


def test_a_role_too_many(deployed, sender):
    """A role that somebody was given by the way is found in the history."""
    stranger = new_account().address
    sender.send(deployed.manager.grant_role(Role.PAUSER, stranger))
    assert wrong(deployed) == [f"WRONG PAUSER is held by no one else: {stranger}"]
    sender.send(deployed.manager.revoke_role(Role.PAUSER, stranger))
    assert wrong(deployed) == []


def test_a_function_opened(deployed, sender):
    """A restricted function that was given to another role is found."""
    selector = deployed.consortium.interface.selector("admit")
    sender.send(
        deployed.manager.set_target_function_role(deployed.consortium.address, [selector], Role.PAUSER)
    )
    assert wrong(deployed) == ["WRONG Consortium.admit asks for CONSORTIUM: PAUSER"]


def test_a_token_not_allowed(deployed, sender):
    """A token that is no longer allowed is found."""
    sender.send(deployed.vault.allow_token(deployed.development_token.address, False))
    assert any("is allowed: False" in line for line in wrong(deployed))


class TestAdministration:
    """Whatever the AccessManager can be told is told, and is wrong where a fresh deployment has it otherwise."""

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            (
                lambda at: at.manager.set_role_admin(Role.PAUSER, Role.CONSORTIUM),
                "PAUSER is given and taken by ADMIN: CONSORTIUM",
            ),
            (
                lambda at: at.manager.set_role_admin(Role.CONSORTIUM, 7),
                "CONSORTIUM is given and taken by ADMIN: role 7",
            ),
            (
                lambda at: at.manager.set_role_guardian(Role.CONSORTIUM, Role.PAUSER),
                "CONSORTIUM is guarded by ADMIN: PAUSER",
            ),
            (lambda at: at.manager.set_closed(at.vault.address, True), "StakeVault is open: closed"),
            (lambda at: at.manager.set_closed(at.manager.address, True), "AccessManager is open: closed"),
            (
                lambda at: at.manager.set_target_function_role(
                    at.market.address, [at.market.interface.selector("setTerms")], (1 << 64) - 1
                ),
                "ModelMarket.setTerms asks for CONSORTIUM: PUBLIC",
            ),
            (
                lambda at: at.manager.label_role(Role.PAUSER, "CONSORTIUM"),
                "no role has another's name: PAUSER is labelled 'CONSORTIUM'",
            ),
        ],
    )
    def test_a_setting(self, deployed, sender, change, line):
        sender.send(change(deployed))
        assert wrong(deployed) == [f"WRONG {line}"]

    def test_a_label_of_its_own_name(self, deployed, sender):
        sender.send(deployed.manager.label_role(Role.PAUSER, "PAUSER"))
        assert wrong(deployed) == []

    def test_delays_before_they_begin_and_after(self, deployed, sender):
        """A longer delay begins five days later: until then it is told as coming."""
        manager, client = deployed.manager, deployed.client
        sender.send(manager.set_grant_delay(Role.PAUSER, 77))
        sender.send(manager.set_admin_delay(deployed.vault.address, 88))
        (line,) = wrong(deployed)
        assert line.startswith("WRONG no delay is about to change: PAUSER 77 s from second ")
        assert f"{deployed.vault.address} 88 s from second " in line
        client.travel(5 * 86_400)
        assert wrong(deployed) == [
            "WRONG a grant of PAUSER counts after 0 s: 77 s",
            "WRONG the rights over StakeVault change after 0 s: 88 s",
        ]

    def test_a_holder_who_has_to_wait(self, deployed, sender):
        """Notice before each act, a shorter notice that has not begun, a role that has not begun."""
        manager, admin = deployed.manager, sender.address
        subject = f"WRONG {admin} acts as PAUSER at once"
        sender.send(manager.grant_role(Role.PAUSER, admin, 600))
        assert wrong(deployed) == [f"{subject}: after 600 s of notice"]
        sender.send(manager.grant_role(Role.PAUSER, admin))
        (line,) = wrong(deployed)
        assert line.startswith(f"{subject}: after 600 s of notice, 0 s from second ")
        deployed.client.travel(600)
        assert wrong(deployed) == []
        sender.send(manager.revoke_role(Role.PAUSER, admin))
        sender.send(manager.set_grant_delay(Role.PAUSER, 77))
        deployed.client.travel(5 * 86_400)
        sender.send(manager.grant_role(Role.PAUSER, admin))
        assert any(line.startswith(f"{subject}: from second ") for line in wrong(deployed))

    def test_an_act_that_is_announced(self, deployed, sender):
        """Until it was carried out, was called off, or has lapsed."""
        manager, client, pauser = deployed.manager, deployed.client, sender.address
        pause = deployed.vault.interface.encode("pause")
        call = functools.partial(contract_call, manager)
        sender.send(manager.grant_role(Role.PAUSER, pauser, 600))
        others = wrong(deployed)
        when = client.head().timestamp + 1000
        sender.send(call("schedule", deployed.vault.address, pause, when))
        (line,) = [each for each in wrong(deployed) if each not in others]
        assert line == (
            f"WRONG no act is announced: pause of {deployed.vault.address} by {pauser} from second {when} on"
        )
        index = open_index(deployed, None, confirmations=0)
        index.sync()
        assert [act.name for act in acts(index)][-1] == "OperationScheduled"
        sender.send(call("cancel", pauser, deployed.vault.address, pause))
        assert wrong(deployed) == others
        sender.send(call("schedule", deployed.vault.address, pause, client.head().timestamp + 1000))
        assert len(wrong(deployed)) == len(others) + 1
        client.travel(8 * 86_400)
        assert wrong(deployed) == others

    def test_the_exported_facts_say_the_same(self, deployed, sender):
        """Contract facts tell the settings, at the block that they are asked for; acts and holders name what they tell of."""
        before = deployed.client.head()
        sender.send(deployed.manager.set_closed(deployed.vault.address, True))
        sender.send(deployed.manager.grant_role(Role.PAUSER, STRANGER, 9))
        now, then = (
            {facts.name: facts.parameters for facts in contract_facts(deployed, block)}["AccessManager"]
            for block in (None, before)
        )
        assert (then["StakeVault is"], now["StakeVault is"]) == ("open", "closed")
        said = {str(check) for check in verify(deployed, parameters_for(deployed.client))}
        for setting in settings(deployed):
            line = f"{setting.subject} {setting.fresh}"
            right = now[setting.subject] == setting.fresh
            assert (f"ok    {line}" if right else f"WRONG {line}: {now[setting.subject]}") in said
        index = open_index(deployed, None)
        index.sync()
        held = {(holder.role, holder.account): holder.delay for holder in holders(index)}
        assert held[Role.PAUSER.name, STRANGER] == 9
        assert len(held) == 4

    def test_functions_go_by_name(self, deployed, sender):
        """Those of the market, too; one that no contract of ours has is called so."""
        sender.send(deployed.manager.set_target_function_role(STRANGER, [b"\1\2\3\4"], Role.PAUSER))
        index = open_index(deployed, None)
        index.sync()
        named = [act.values["selector"] for act in acts(index) if act.name == "TargetFunctionRoleUpdated"]
        assert {"setTerms", "withdrawModel", "supersede", "unknown function 0x01020304"} <= set(named)
        assert all(isinstance(name, str) for name in named)


@pytest.mark.anvil
def test_the_commands(anvil, tmp_path):
    """deploy.py and verify.py: plan, deploy, again, verify; bad input in one sentence each."""

    def run(script, *more, rpc=anvil.url):
        command = [
            sys.executable,
            str(ROOT / "deploy" / script),
            "--rpc",
            rpc,
            "--state-dir",
            str(tmp_path),
            *more,
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    plan = run("deploy.py", "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "gas in all" in plan.stdout
    assert run("deploy.py").stdout.count("create ") == 13
    assert run("deploy.py").stdout.startswith("Nothing to do.")
    checked = run("verify.py")
    assert checked.returncode == 0, checked.stdout
    assert all(line.startswith("ok ") for line in checked.stdout.splitlines())
    wrong_key = run("deploy.py", "--keystore", "missing.json", "--password-file", "missing.txt")
    assert wrong_key.returncode == 2
    assert wrong_key.stderr.count("\n") == 1
    nobody = run("verify.py", rpc="http://127.0.0.1:1")
    assert nobody.returncode == 75
    assert "does not answer" in nobody.stderr


@pytest.mark.anvil
def test_the_admin_s_commands(anvil, tmp_path):
    """deploy.py gives the roles, `medfed deploy` takes them over; both say what is next, and verify.py agrees throughout."""
    client, password = connect(anvil.url), tmp_path / "password.txt"
    new = create_keystore(tmp_path / "new.json", "pass", trial=True)
    password.write_text("pass")
    client.set_balance(new.address, ETHER)

    def run(*command):
        environment = {**os.environ, "MEDFED_RPC": anvil.url, "MEDFED_STATE_DIR": str(tmp_path)}
        return subprocess.run(
            [sys.executable, *map(str, command)], capture_output=True, text=True, env=environment, timeout=60
        )

    at = ("--rpc", anvil.url, "--state-dir", tmp_path)
    given = run(ROOT / "deploy/deploy.py", *at, "--admin", new.address)
    assert given.returncode == 0, given.stderr
    assert f"{new.address} holds the roles, too" in given.stdout
    checked = run(ROOT / "deploy/verify.py", *at)
    assert f"ok    {new.address} holds the admin's roles, too" in checked.stdout
    accept = (
        "-m",
        "medfed",
        "deploy",
        "--accept",
        "--keystore",
        tmp_path / "new.json",
        "--password-file",
        password,
    )
    taken = run(*accept, "--json")
    assert taken.returncode == 0, taken.stderr
    said = json.loads(taken.stdout)
    assert (said["admin"], said["announced"], said["take_over"]) == (new.address, None, None)
    assert said["transactions"] == 1
    assert run(ROOT / "deploy/verify.py", *at).returncode == checked.returncode == 0
    refused = run("-m", "medfed", "deploy", "--admin", f"0x{'00' * 20}", *accept[4:])
    assert (refused.returncode, "nobody's address" in refused.stderr) == (2, True)
