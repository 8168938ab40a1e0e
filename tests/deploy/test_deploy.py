"""Deploying: once, completely, whatever happens in between, and never where it would do harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medfed.chain.addresses import find_book
from medfed.chain.calls import Call, create_address
from medfed.chain.client import connect
from medfed.chain.contracts import AccessManager, Role
from medfed.chain.deployer import Deployer, Order, names_for
from medfed.chain.deployment import load
from medfed.chain.keys import create_keystore, new_account
from medfed.chain.params import parameters_for, read_parameters
from medfed.chain.sender import FeePolicy, Sender
from medfed.chain.verification import verify
from medfed.errors import ConfigError, WrongChain
from medfed.types import NO_ACCOUNT
from tests.deploy.conftest import ETHER

ROOT = Path(__file__).parents[2]
QUICK = FeePolicy(poll=0.01)


def funded(chain):
    account = new_account()
    chain.set_balance(account.address, 100 * ETHER)
    return account


def deployer(chain, account, state, **order):
    parameters = order.pop("parameters", None) or parameters_for(chain)
    return Deployer(Order(parameters, state, **order), Sender(chain, account, state / "sent", policy=QUICK))


def wrong(chain, state, parameters=None):
    return [
        check for check in verify(load(chain, state), parameters or parameters_for(chain)) if not check.ok
    ]


class TestRun:
    def test_everything_stands_and_verifies(self, chain, tmp_path):
        """Every contract has code, the wiring is right, the book tells where and since when."""
        report = deployer(chain, funded(chain), tmp_path).run()
        assert wrong(chain, tmp_path) == []
        book = report.book
        assert list(book.contracts) == list(names_for(parameters_for(chain)))
        assert all(chain.code(placed.address) for placed in book.contracts.values())
        assert book.block == min(placed.block for placed in book.contracts.values())
        assert (book.chain_id, book.genesis) == (chain.chain_id, "0x" + chain.genesis_hash.hex())
        assert find_book(chain, tmp_path) == (report.path, book)

    def test_again_changes_nothing(self, chain, tmp_path):
        """A second run on a finished deployment sends nothing and leaves the book as it is."""
        account = funded(chain)
        first = deployer(chain, account, tmp_path).run()
        before = first.path.read_bytes(), chain.head()
        second = deployer(chain, account, tmp_path).run()
        assert second.steps == ()
        assert (first.path.read_bytes(), chain.head()) == before

    def test_again_by_someone_else(self, chain, tmp_path):
        """A finished deployment is left alone whoever runs the command."""
        deployer(chain, funded(chain), tmp_path).run()
        assert deployer(chain, funded(chain), tmp_path).run().steps == ()

    def test_restarted_chain_is_another_one(self, chain, tmp_path):
        """A development chain that starts anew gets a deployment and a book of its own."""
        deployer(chain, funded(chain), tmp_path).run()
        other = connect("embedded:")
        with pytest.raises(WrongChain, match="Nothing is known"):
            load(other, tmp_path)
        assert deployer(other, funded(other), tmp_path).run().steps
        assert wrong(chain, tmp_path) == wrong(other, tmp_path) == []

    def test_known_network_goes_into_the_repository(self, public_chain, tmp_path, monkeypatch):
        """The book of a network with a fixed chain id lies beside the shipped ones, for everyone to use."""
        shipped = tmp_path / "addresses"
        shipped.mkdir()
        monkeypatch.setattr("medfed.chain.addresses.resource_folder", lambda _: shipped)
        monkeypatch.setattr("medfed.chain.deployer.resource_folder", lambda _: shipped)
        file = tmp_path / "net.toml"
        text = (ROOT / "deploy/params/consortium.toml").read_text()
        file.write_text(f"chain_ids = [{public_chain.chain_id}]\n{text}")
        order = {"parameters": read_parameters(file), "allow_plain": True}
        report = deployer(public_chain, funded(public_chain), tmp_path / "one", **order).run()
        assert report.path == shipped / "net.json"
        assert load(public_chain, tmp_path / "two").book == report.book


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def killing(chain, account, state, moment, at, **order):
    """A deployer that dies at its `at`-th transaction, before or after that is handed in."""
    made = deployer(chain, account, state, **order)
    hand_in, count = chain.send_raw, iter(range(100))

    def send_raw(raw, label=""):
        dying = next(count) == at
        if dying and moment == "before":
            raise Killed
        tx_hash = hand_in(raw, label)
        if dying:
            raise Killed
        return tx_hash

    chain.send_raw = send_raw
    return made


class TestKill:
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_at_every_transaction(self, chain, tmp_path, moment):
        """Killed at each transaction in turn, and run again: no contract exists twice, and all is as if nothing was."""
        account = funded(chain)
        plain = chain.send_raw
        deaths = 0
        for _ in range(30):
            try:
                killing(chain, account, tmp_path, moment, 1).run()
                break
            except Killed:
                deaths += 1
            finally:
                chain.send_raw = plain
        assert deaths >= 9
        assert chain.nonce(account.address) == len(names_for(parameters_for(chain))) + 2
        assert wrong(chain, tmp_path) == []
        assert not list(tmp_path.rglob("*.unfinished.json"))

    def test_before_the_first_transaction(self, chain, tmp_path):
        """Killed when only the note is on disk, the deployment goes on with the addresses that it fixed."""
        account = funded(chain)
        plain = chain.send_raw
        with pytest.raises(Killed):
            killing(chain, account, tmp_path, "before", 0).run()
        chain.send_raw = plain
        [note] = tmp_path.rglob("*.unfinished.json")
        nonce = json.loads(note.read_text())["nonce"]
        assert nonce == 0
        assert wrong_after(deployer(chain, account, tmp_path), chain, tmp_path) == []

    @pytest.mark.anvil
    @pytest.mark.parametrize("step", [1, 7, 12])
    def test_by_the_system(self, anvil, tmp_path, step):
        """The real thing: SIGKILL while a step is being sent, then the command again."""
        client = connect(anvil.url)
        account = create_keystore(tmp_path / "key.json", "pass", trial=True)
        client.set_balance(account.address, 100 * ETHER)
        program = [
            sys.executable,
            str(Path(__file__).with_name("killed.py")),
            anvil.url,
            str(tmp_path),
            str(step),
        ]
        path = os.pathsep.join([str(ROOT / "offchain"), str(ROOT)])
        died = subprocess.run(program, timeout=120, env={**os.environ, "PYTHONPATH": path})
        assert died.returncode == -signal.SIGKILL
        assert wrong_after(deployer(client, account, tmp_path), client, tmp_path) == []
        assert client.nonce(account.address) == len(names_for(parameters_for(client))) + 2

    def test_other_parameters_in_between(self, chain, tmp_path):
        """An unfinished deployment is not finished with something else."""
        account = funded(chain)
        plain = chain.send_raw
        with pytest.raises(Killed):
            killing(chain, account, tmp_path, "after", 2).run()
        chain.send_raw = plain
        shipped = parameters_for(chain)
        vault = shipped.vault.model_copy(update={"challenger_bps": 4000})
        other = shipped.model_copy(update={"vault": vault})
        with pytest.raises(ConfigError, match="other parameters"):
            deployer(chain, account, tmp_path, parameters=other).run()
        with pytest.raises(ConfigError, match="finish it with that key"):
            deployer(chain, funded(chain), tmp_path).run()

    def test_deployer_used_in_between(self, chain, tmp_path):
        """When the account sent something else meanwhile, the fixed addresses are gone, and the message says so."""
        account = funded(chain)
        plain = chain.send_raw
        with pytest.raises(Killed):
            killing(chain, account, tmp_path, "after", 2).run()
        chain.send_raw = plain
        Sender(chain, account).send(Call(account.address, b""))
        with pytest.raises(ConfigError, match="sent something else"):
            deployer(chain, account, tmp_path).run()


def wrong_after(made, chain, state):
    made.run()
    return wrong(chain, state)


def manager_of(report, chain):
    return AccessManager(chain, report.book.contracts["AccessManager"].address)


def held(report, chain, account):
    """Which roles an account holds."""
    manager = manager_of(report, chain)
    return [role for role in Role if manager.has_role(role, account)]


class TestAgain:
    """What the administration has undone since is not done again; what was never done is."""

    @pytest.fixture
    def administered(self, chain, tmp_path):
        """A deployment, who administers it, and a function that sends in that account's name."""
        account = funded(chain)
        deployer(chain, account, tmp_path).run()
        sender = Sender(chain, account, policy=QUICK)
        return load(chain, tmp_path), account, sender.send

    def test_what_was_taken_back_stays_so(self, chain, tmp_path, administered):
        """A revoked pauser, a disallowed token, a function of another role: each is said to be left alone, nothing is sent."""
        at, account, send = administered
        token, selector = at.development_token.address, at.market.interface.selector("setTerms")
        send(at.manager.revoke_role(Role.PAUSER, account.address))
        send(at.vault.allow_token(token, False))
        send(at.manager.set_target_function_role(at.market.address, [selector], Role.PAUSER))
        before = wrong(chain, tmp_path)
        head = chain.head()
        report = deployer(chain, account, tmp_path).run()
        assert (report.steps, chain.head()) == ((), head)
        assert report.left == (
            "ModelMarket.setTerms asks for PAUSER, as it was told to since",
            f"{account.address} is not given PAUSER, which was taken back or moved since",
            "the development token is not allowed, as it was disallowed since",
        )
        assert "Left alone: the development token is not allowed" in "\n".join(report.told())
        assert wrong(chain, tmp_path) == before
        assert not at.manager.has_role(Role.PAUSER, account.address)
        assert not at.vault.is_allowed(token)

    def test_a_role_that_moved_stays_where_it_is(self, chain, tmp_path, administered):
        at, account, send = administered
        other = new_account().address
        send(at.manager.grant_role(Role.CONSORTIUM, other))
        send(at.manager.revoke_role(Role.CONSORTIUM, account.address))
        report = deployer(chain, account, tmp_path).run()
        assert report.steps == ()
        assert held(report, chain, other) == [Role.CONSORTIUM]
        assert held(report, chain, account.address) == [Role.ADMIN, Role.PAUSER]

    def test_another_role_of_the_admin_s_own_stays(self, chain, tmp_path):
        """Also where the parameters name somebody else for it."""
        account, pauser = funded(chain), new_account().address
        parameters = parameters_for(chain).model_copy(update={"pauser": pauser})
        report = deployer(chain, account, tmp_path, parameters=parameters).run()
        assert held(report, chain, account.address) == [Role.ADMIN, Role.CONSORTIUM]
        assert held(report, chain, pauser) == [Role.PAUSER]
        call = manager_of(report, chain).grant_role(Role.PAUSER, account.address)
        Sender(chain, account, policy=QUICK).send(call)
        again = deployer(chain, account, tmp_path, parameters=parameters).run()
        assert again.steps == again.left == ()
        assert Role.PAUSER in held(report, chain, account.address)

    def test_what_was_never_done_is_done(self, chain, tmp_path, administered):
        """Parameters name a token and a pauser that they did not: these are added, and the rest is as it was."""
        at, account, send = administered
        old, new, pauser = at.development_token.address, new_account().address, new_account().address
        send(at.vault.allow_token(old, False))
        send(at.manager.revoke_role(Role.CONSORTIUM, account.address))
        update = {"tokens": (new,), "pauser": pauser}
        parameters = parameters_for(chain).model_copy(update=update)
        report = deployer(chain, account, tmp_path, parameters=parameters).run()
        assert [step.what for step in report.steps] == ["wire the roles", f"allow token {new}"]
        assert (at.vault.is_allowed(new), at.vault.is_allowed(old)) == (True, False)
        assert held(report, chain, pauser) == [Role.PAUSER]
        assert held(report, chain, account.address) == [Role.ADMIN, Role.PAUSER], "CONSORTIUM was lent"
        assert deployer(chain, account, tmp_path, parameters=parameters).run().steps == ()

    def test_a_named_holder_who_lost_the_role_does_not_get_it_back(self, chain, tmp_path):
        account, pauser = funded(chain), new_account().address
        parameters = parameters_for(chain).model_copy(update={"pauser": pauser})
        report = deployer(chain, account, tmp_path, parameters=parameters).run()
        call = manager_of(report, chain).revoke_role(Role.PAUSER, pauser)
        Sender(chain, account, policy=QUICK).send(call)
        again = deployer(chain, account, tmp_path, parameters=parameters).run()
        assert again.left == (f"{pauser} is not given PAUSER, which was taken back or moved since",)
        assert held(report, chain, pauser) == []


class TestAdmin:
    """The roles change hands in two steps: they are given to the new admin, too, and that one takes them over."""

    def test_both_hold_them_until_the_new_one_takes_over(self, chain, tmp_path):
        old, new = funded(chain), funded(chain)
        report = deployer(chain, old, tmp_path, admin=new.address).run()
        assert held(report, chain, new.address) == held(report, chain, old.address) == list(Role)
        assert (report.book.admin, report.book.announced) == (old.address, new.address)
        assert new.address in "\n".join(report.told())
        assert wrong(chain, tmp_path) == []
        done = deployer(chain, new, tmp_path, accept=True).run()
        assert [step.what for step in done.steps] == [f"take the roles over from {old.address}"]
        assert (held(report, chain, old.address), held(report, chain, new.address)) == ([], list(Role))
        assert (load(chain, tmp_path).book.admin, done.book.announced) == (new.address, None)
        assert wrong(chain, tmp_path) == []
        assert deployer(chain, new, tmp_path, accept=True).run().steps == ()

    def test_again_changes_nothing(self, chain, tmp_path):
        """Announced or handed over, a run with or without the admin named sends nothing, whoever runs it."""
        old, new = funded(chain), funded(chain)
        deployer(chain, old, tmp_path, admin=new.address).run()
        for accepted in (False, True):
            for account in (old, new, funded(chain)):
                assert deployer(chain, account, tmp_path).run().steps == ()
                assert deployer(chain, account, tmp_path, admin=new.address).run().steps == ()
            assert load(chain, tmp_path).book.announced == (None if accepted else new.address)
            deployer(chain, new, tmp_path, accept=True).run()

    def test_later_and_on(self, chain, tmp_path):
        """Roles are handed on by whoever holds them, and by nobody else."""
        first, second, third = funded(chain), funded(chain), funded(chain)
        deployer(chain, first, tmp_path).run()
        with pytest.raises(ConfigError, match=r"does not hold the admin role yet.*--admin"):
            deployer(chain, second, tmp_path, accept=True).run()
        (step,) = deployer(chain, first, tmp_path, admin=second.address).run().steps
        assert step.what == f"give the roles to {second.address}, too"
        deployer(chain, second, tmp_path, accept=True).run()
        with pytest.raises(ConfigError, match="does not hold the admin role"):
            deployer(chain, first, tmp_path, admin=third.address).run()
        deployer(chain, second, tmp_path, admin=third.address).run()
        deployer(chain, third, tmp_path, accept=True).run()
        assert load(chain, tmp_path).book.admin == third.address
        assert wrong(chain, tmp_path) == []

    def test_a_typo_loses_nothing(self, chain, tmp_path):
        """Who was announced by mistake loses the roles when another is, or when the present admin names itself."""
        old, new, mistaken = funded(chain), funded(chain), new_account().address
        report = deployer(chain, old, tmp_path, admin=mistaken).run()
        deployer(chain, old, tmp_path, admin=new.address).run()
        assert held(report, chain, mistaken) == []
        assert held(report, chain, new.address) == list(Role)
        deployer(chain, old, tmp_path, admin=old.address).run()
        assert held(report, chain, new.address) == []
        assert load(chain, tmp_path).book.announced is None
        assert wrong(chain, tmp_path) == []

    def test_only_what_the_old_one_holds(self, chain, tmp_path):
        """A role that was taken from the old admin does not come back with the new one, nor does one that others have."""
        old, new, pauser = funded(chain), funded(chain), new_account().address
        parameters = parameters_for(chain).model_copy(update={"pauser": pauser})
        report = deployer(chain, old, tmp_path, parameters=parameters).run()
        call = manager_of(report, chain).revoke_role(Role.CONSORTIUM, old.address)
        Sender(chain, old, policy=QUICK).send(call)
        deployer(chain, old, tmp_path, parameters=parameters, admin=new.address).run()
        done = deployer(chain, new, tmp_path, parameters=parameters, accept=True).run()
        assert held(report, chain, new.address) == [Role.ADMIN]
        assert held(report, chain, pauser) == [Role.PAUSER]
        assert done.left == (f"{new.address} is not given CONSORTIUM, which was taken back or moved since",)

    def test_by_any_other_means(self, chain, tmp_path):
        """The new admin sends the call that it is told, as a multisig would; the book follows with the next run of anybody."""
        old, new = funded(chain), funded(chain)
        report = deployer(chain, old, tmp_path, admin=new.address).run()
        assert f"0x{report.take_over.data.hex()}" in "\n".join(report.told())
        Sender(chain, new, policy=QUICK).send(report.take_over)
        assert held(report, chain, old.address) == []
        done = deployer(chain, funded(chain), tmp_path).run()
        assert (done.steps, done.take_over) == ((), None)
        assert (load(chain, tmp_path).book.admin, done.book.announced) == (new.address, None)
        assert wrong(chain, tmp_path) == []

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_killed_in_between(self, chain, tmp_path, moment):
        """The one to come is in the book before it holds anything; who took over is the admin when it runs again."""
        old, new, other = funded(chain), funded(chain), funded(chain)
        report = deployer(chain, old, tmp_path).run()
        plain = chain.send_raw

        def dying(account, **order):
            with pytest.raises(Killed):
                killing(chain, account, tmp_path, moment, 0, **order).run()
            chain.send_raw = plain

        dying(old, admin=other.address)
        assert load(chain, tmp_path).book.announced == other.address
        deployer(chain, old, tmp_path, admin=new.address).run()
        assert held(report, chain, other.address) == []
        dying(new, accept=True)
        deployer(chain, new, tmp_path, accept=True).run()
        assert load(chain, tmp_path).book.admin == new.address
        assert wrong(chain, tmp_path) == []

    def test_nobody_and_our_own_contracts_are_refused(self, chain, tmp_path):
        """Before anything is sent: they could never act. Also as the holder of one role, by the parameters."""
        account = funded(chain)
        with pytest.raises(ConfigError, match="nobody's address"):
            deployer(chain, account, tmp_path, admin=NO_ACCOUNT).run()
        with pytest.raises(ConfigError, match="nobody's address"):
            deployer(chain, account, tmp_path, admin=NO_ACCOUNT).plan()
        ours = create_address(account.address, 0)
        with pytest.raises(ConfigError, match="is the AccessManager of this deployment"):
            deployer(chain, account, tmp_path, admin=ours).run()
        parameters = parameters_for(chain).model_copy(update={"pauser": create_address(account.address, 5)})
        with pytest.raises(ConfigError, match=r"is the StakeVault of this deployment.*PAUSER"):
            deployer(chain, account, tmp_path, parameters=parameters).run()
        assert chain.nonce(account.address) == 0
        report = deployer(chain, account, tmp_path).run()
        for placed in report.book.contracts.values():
            with pytest.raises(ConfigError, match="of this deployment"):
                deployer(chain, account, tmp_path, admin=placed.address).run()
        with pytest.raises(ConfigError, match=r"is the StakeVault of this deployment.*PAUSER"):
            deployer(chain, account, tmp_path, parameters=parameters).run()
        assert load(chain, tmp_path).book == report.book

    def test_there_is_nothing_to_take_over(self, chain, tmp_path):
        with pytest.raises(ConfigError, match="no deployment to take over"):
            deployer(chain, funded(chain), tmp_path, accept=True).run()

    def test_another_one_in_the_middle_of_a_deployment(self, chain, tmp_path):
        """The note names who is to come; a deployment that is not finished is not finished for another."""
        account, new = funded(chain), new_account().address
        plain = chain.send_raw
        with pytest.raises(Killed):
            killing(chain, account, tmp_path, "after", 2, admin=new).run()
        chain.send_raw = plain
        with pytest.raises(ConfigError, match=f"is for the admin {new}"):
            deployer(chain, account, tmp_path, admin=new_account().address).run()
        assert deployer(chain, account, tmp_path).run().book.announced == new
        assert wrong(chain, tmp_path) == []


class TestRefusals:
    def test_plain_updates_on_a_public_chain(self, public_chain, tmp_path):
        """Updates leak records, so a chain that is not for development needs an explicit word."""
        order = {"parameters": read_parameters("consortium")}
        account = funded(public_chain)
        with pytest.raises(ConfigError, match="--allow-plain"):
            deployer(public_chain, account, tmp_path, **order).run()
        with pytest.raises(ConfigError, match="--allow-plain"):
            deployer(public_chain, account, tmp_path, **order).plan()
        assert public_chain.nonce(account.address) == 0
        report = deployer(public_chain, account, tmp_path, **order, allow_plain=True).run()
        assert "DevelopmentToken" not in report.book.contracts
        assert wrong(public_chain, tmp_path, read_parameters("consortium")) == []

    def test_development_parameters_on_a_public_chain(self, public_chain, tmp_path):
        """The token that anyone may mint never gets to a public chain."""
        with pytest.raises(WrongChain, match="not a development chain"):
            deployer(
                public_chain, funded(public_chain), tmp_path, parameters=read_parameters("development")
            ).run()

    def test_parameters_of_another_chain(self, chain, tmp_path):
        """A network's parameters are for its chain ids only."""
        with pytest.raises(WrongChain, match=f"for chain 11155111.*is chain {chain.chain_id}"):
            deployer(chain, funded(chain), tmp_path, parameters=read_parameters("sepolia")).run()


class TestPlan:
    def test_is_what_run_does(self, chain, tmp_path):
        """The plan names the same steps and addresses, and its gas is right to a thousandth; nothing is sent."""
        account = funded(chain)
        made = deployer(chain, account, tmp_path, admin=new_account().address)
        plan, head = made.plan(), chain.head()
        assert chain.head() == head
        assert not (tmp_path / "deployments").exists()
        report = made.run()
        assert [(step.what, step.address) for step in plan] == [
            (step.what, step.address) for step in report.steps
        ]
        for planned, done in zip(plan, report.steps, strict=True):
            assert planned.gas == pytest.approx(done.gas, rel=1e-3)

    def test_not_over_a_deployment(self, chain, tmp_path):
        """There is no plan for a chain that has its contracts already."""
        made = deployer(chain, funded(chain), tmp_path)
        made.run()
        with pytest.raises(ConfigError, match="already"):
            made.plan()


class TestLoad:
    def test_nothing_known(self, chain, tmp_path):
        """A chain without a book is named by id and genesis, with what to do."""
        with pytest.raises(WrongChain, match=f"chain {chain.chain_id}.*deploy them"):
            load(chain, tmp_path)

    def test_no_contracts_at_the_address(self, chain, tmp_path):
        """A book whose address holds no code is not trusted."""
        report = deployer(chain, funded(chain), tmp_path).run()
        record = json.loads(report.path.read_text())
        record["contracts"]["StakeVault"]["address"] = new_account().address
        report.path.write_text(json.dumps(record))
        with pytest.raises(WrongChain, match="no contract StakeVault at 0x"):
            load(chain, tmp_path)

    def test_contracts_that_do_not_belong_together(self, chain, tmp_path):
        """The rounds contract names the others: a book that names one of another deployment is refused."""
        report = deployer(chain, funded(chain), tmp_path / "one").run()
        other = deployer(chain, funded(chain), tmp_path / "two").run()
        record = json.loads(report.path.read_text())
        record["contracts"]["Payouts"]["address"] = other.book.contracts["Payouts"].address
        report.path.write_text(json.dumps(record))
        own = report.book.contracts["Payouts"].address
        with pytest.raises(WrongChain, match=f"as Payouts, the FederatedRounds at .* {own}"):
            load(chain, tmp_path / "one")
        record["contracts"]["FederatedRounds"]["address"] = other.book.contracts["SumRule"].address
        report.path.write_text(json.dumps(record))
        with pytest.raises(WrongChain, match=r"FederatedRounds at .* has other code than this version"):
            load(chain, tmp_path / "one")

    def test_damaged_book(self, chain, tmp_path):
        """A torn file is named instead of guessed at."""
        report = deployer(chain, funded(chain), tmp_path).run()
        report.path.write_text(report.path.read_text()[:100])
        with pytest.raises(ConfigError, match="is damaged"):
            load(chain, tmp_path)


@pytest.mark.slow
def test_outside_the_repository(tmp_path):
    """An installed wheel deploys, loads and verifies without the sources."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    site = tmp_path / "site"
    unpack = [sys.executable, "-m", "zipfile", "-e", str(next(tmp_path.glob("*.whl"))), str(site)]
    subprocess.run(unpack, check=True)
    program = Path(__file__).with_name("elsewhere.py").read_text()
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(site / "medfed" / "abi"), "0"]
