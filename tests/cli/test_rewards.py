"""What hospitals are paid by, and patients' claims, typed at a terminal; daemons played the study before."""

from __future__ import annotations

import hashlib

import pytest

from medfed.chain.wallet import create_wallet
from medfed.cli import run
from medfed.log import configure
from tests.cli.conftest import PASSWORD, Terminal
from tests.nodes.federation import DISPUTE, ETHER, PATIENTS, REWARD, deploy

POOL = REWARD * 2000 // 10_000
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    configure("error")
    return deploy(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def world(ground, tmp_path):
    return ground.world(tmp_path, 3)


@pytest.fixture
def three(world):
    return [world.hospital(member) for member in world.members]


@pytest.fixture
def terminal(world, tmp_path, monkeypatch):
    """Commands act on the world's chain, which is in this process."""

    def federation():
        world.index.sync()
        return world.federation()

    monkeypatch.setattr(run, "open_chain", federation)
    monkeypatch.setattr(run, "open_federation", federation)
    monkeypatch.setenv("MEDFED_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "password.txt").write_text(PASSWORD)
    typed = Terminal(tmp_path)
    typed.ok("key", "new", "anyone.json", "--trial")
    world.client.set_balance(run.keystore_address(tmp_path / "anyone.json"), ETHER)
    return typed


def wallet_file(world, terminal, member=0):
    """The wallet of one hospital's patients, each with ether for gas."""
    label = f"{world.sponsor.address} {member + 1}"
    create_wallet(
        terminal.folder / "wallet.json", PASSWORD, seed=hashlib.sha256(label.encode()).digest(), trial=True
    )
    for number in range(PATIENTS):
        world.client.set_balance(world.members[member].wallet.account(number).address, ETHER)
    return "wallet.json"


def final(world, *hospitals, **offer):
    study = world.opened(*hospitals, rounds=1, **offer)
    while not world.round(study, 1).final_at:
        world.run(*hospitals)
    return study


class TestScores:
    def test_a_reviewed_round_from_commitment_to_pay(self, world, three, terminal):
        """Nothing is shown of scores before they are revealed; afterwards the shares are those that are paid."""
        study = final(world, *three, score_mode="reviewed")
        world.run(*three, cycles=2)
        (early,) = terminal.data("study", "scores", study)
        assert early["by"] == "reviews to come"
        assert [seat["reviewed"] for seat in early["seats"].values()] == ["committed"] * 3
        assert [seat["said"] for seat in early["seats"].values()] == [[]] * 3
        world.client.travel(DISPUTE // 2)
        world.run(*three, cycles=2)
        world.client.travel(DISPUTE)
        admin = world.members[0].admin.address
        paid = terminal.data("study", "claim", study, admin, "--keystore", "anyone.json")["paid"]
        (late,) = terminal.data("study", "scores", study)
        assert late["by"] == "reviews"
        assert [seat["reviewed"] for seat in late["seats"].values()] == ["revealed"] * 3
        assert sum(seat["share"] for seat in late["seats"].values()) == pytest.approx(1.0)
        share = late["seats"]["0"]["share"]
        assert paid == {"1": pytest.approx(REWARD * 0.9 * share + REWARD * 0.1 / 3, abs=1)}
        assert "reviews" in terminal.ok("study", "scores", study).out

    @pytest.mark.parametrize("mode", ["weight", "equal"])
    def test_other_modes_need_no_review(self, world, three, terminal, mode):
        study = final(world, *three, score_mode=mode)
        (facts,) = terminal.data("study", "scores", study)
        assert facts["by"] == mode
        assert [seat["share"] for seat in facts["seats"].values()] == pytest.approx([1 / 3] * 3)

    def test_the_part_of_one_that_was_suspended_is_nobodys(self, world, three, terminal):
        """The others have a third each, and the study says who could not submit."""
        study = world.opened(*three, rounds=1, score_mode="equal")
        world.send(world.consortium, world.contracts.consortium.suspend(world.members[2].id))
        world.run(*three, cycles=4)
        (round_,) = terminal.data("study", "scores", study)
        assert [round(seat["share"], 4) for seat in round_["seats"].values()] == [0.3333, 0.3333]
        facts = terminal.data("study", "show", study)
        assert len(facts["rounds"][0]["kept_away"]) == 1
        (said,) = facts["remarks"]
        assert "could not submit, being suspended; what that would have had is nobody's." in said
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=2)
        paid = [event["amount"] for event in world.index.events("Claimed", study=study)]
        assert len(paid) == 2
        assert sum(paid) <= REWARD * 2 // 3

    def test_a_study_without_a_final_round_says_so(self, world, terminal):
        study = world.post()
        assert terminal.data("study", "scores", study) == []
        assert "nothing to score yet" in terminal.ok("study", "scores", study).out


class TestPatients:
    def test_claiming_is_shown_first_and_says_what_it_reveals(self, world, three, terminal):
        """Without --yes nothing is sent; with it each patient of the cohort is paid once, all of them no more than the
        seat's part."""
        study = final(world, *three, patient_bps=2000)
        dataset, wallet = world.members[0].dataset, wallet_file(world, terminal)
        world.client.travel(DISPUTE + 1)
        claim = ("patient", "claim", dataset, "--keystore", wallet, "--account")
        amounts = []
        for number in range(PATIENTS):
            shown = terminal.data(*claim, number)["shares"]
            if not shown:  # a step leaves two of eighteen out
                continue
            assert (shown[0]["study"], shown[0]["round"]) == (study, 1)
            account = world.members[0].wallet.account(number).address
            token = world.contracts.development_token.address
            if not amounts:
                said = " ".join(terminal.ok(*claim, number).out.split())
                assert "links the account" in said
                assert "--yes" in said
                assert not world.index.events("PatientPaid", study=study)
            assert terminal.data(*claim, number, "--yes")["claimed"] is True
            assert terminal.data(*claim, number, "--yes")["shares"] == []
            assert world.contracts.vault.balance(account, token).free == shown[0]["amount"]
            amounts.append(shown[0]["amount"])
        weight = world.round(study, 1).updates[0].weight
        assert len(amounts) >= weight
        assert set(amounts) == {POOL * weight // (world.round(study, 1).weight * (weight + 16))}
        assert sum(amounts) <= POOL // 3

    def test_before_the_dispute_window_is_over_the_command_says_why_not(self, world, three, terminal):
        study = final(world, *three, patient_bps=2000)
        dataset, wallet = world.members[0].dataset, wallet_file(world, terminal)
        for number in range(3):
            answer = terminal.data(
                "patient", "claim", dataset, "--keystore", wallet, "--account", number, "--yes"
            )
            for share in answer["shares"]:
                assert share["amount"] == 0
                assert "unlock" in share["why"]
        assert not world.index.events("PatientPaid", study=study)

    def test_of_a_study_without_a_patients_share_there_is_nothing(self, world, three, terminal):
        final(world, *three)
        world.client.travel(DISPUTE + 1)
        claim = ("patient", "claim", world.members[0].dataset, "--keystore", wallet_file(world, terminal))
        assert terminal.data(*claim, "--account", 0)["shares"] == []
        assert "Nothing to claim now" in terminal.ok(*claim, "--account", 0).out

    def test_the_pay_leaves_the_vault_at_once(self, world, three, terminal):
        final(world, *three, patient_bps=2000)
        world.client.travel(DISPUTE + 1)
        dataset, wallet = world.members[0].dataset, wallet_file(world, terminal)
        number, amount = next(
            (number, share["amount"])
            for number in range(PATIENTS)
            for share in terminal.data(
                *("patient", "claim", dataset, "--keystore", wallet, "--account", number, "--yes")
            )["shares"]
        )
        withdraw = ("patient", "withdraw", dataset, "--keystore", wallet, "--account", number)
        receiver = world.sponsor.address
        token = world.contracts.development_token
        before = token.balance(receiver)
        assert terminal.data(*withdraw, "--to", receiver)["withdrawn"] == amount
        assert token.balance(receiver) == before + amount
        assert terminal.data(*withdraw)["withdrawn"] == 0
        assert "nothing of yours" in terminal.ok(*withdraw).out


class TestUnclaimed:
    def test_what_is_earned_is_there_for_whoever_comes_late(self, world, three, terminal):
        """Years later, and though the sponsor has had its refund: hospitals and patients are paid all the same."""
        study = final(world, *three, patient_bps=2000)
        world.client.travel(5 * YEAR)
        world.send(world.sponsor, world.contracts.studies.refund(study))
        assert world.contracts.vault.pot(study).amount == REWARD
        wallet = wallet_file(world, terminal)
        claim = ("patient", "claim", world.members[0].dataset, "--keystore", wallet, "--yes", "--account")
        shares = [share for n in range(PATIENTS) for share in terminal.data(*claim, n)["shares"]]
        for member in world.members:
            call = ("study", "claim", study, member.id, "--keystore", "anyone.json")
            assert terminal.data(*call)["paid"].keys() == {"1"}
        world.index.sync()
        paid = sum(event["amount"] for event in world.index.events("Claimed", study=study))
        paid += sum(share["amount"] for share in shares)
        assert world.contracts.vault.pot(study).amount == REWARD - paid
