"""The relayer's queue on a real chain: the order of signing, what is not posted, who is hidden among whom, kills."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from medfed.chain.calls import Call
from medfed.chain.consent_file import Signed, write_signed
from medfed.chain.keys import account_from_key, new_account, save_keystore
from medfed.chain.posting import BATCH
from medfed.chain.sender import Sender
from medfed.errors import ConfigError, OutOfFunds
from medfed.nodes.relaying import open_relayer
from medfed.protocol.purposes import Purpose
from medfed.rounds.federation import OnChain
from tests.nodes.federation import deploy
from tests.nodes.relays import Office
from tests.rig.evm import artifact

ETHER = 10**18


@pytest.fixture(scope="module")
def ground(ground, tmp_path_factory):
    """With two datasets."""
    return peopled(ground, tmp_path_factory.mktemp("people"))


@pytest.fixture
def office(ground, tmp_path):
    """On the file's chain, with a queue and a paying account of its own."""
    return opened(ground, tmp_path)


@pytest.fixture(scope="module")
def live(anvil, tmp_path_factory):
    """Address, state folder and contracts of a chain in a process of its own."""
    folder = tmp_path_factory.mktemp("live")
    return anvil.url, folder, peopled(deploy(folder, anvil.url), folder)


def peopled(ground, folder):
    ground.world(folder, 2)
    return ground


def opened(ground, folder) -> Office:
    account = new_account()
    ground.client.set_balance(account.address, 10 * ETHER)
    return Office(OnChain(ground.client, ground.contracts), account, folder)


def states(relayer, found) -> list[str]:
    return [relayer.look(each).state.value for each in found]


def shuffled(*signed) -> list:
    return random.Random(3).sample(signed, len(signed))


class TestOrder:
    def test_decisions_reach_the_chain_in_the_order_of_signing(self, office):
        """From files in any order, across calls; each in a transaction of its own."""
        who, relayer = office.patient(), office.relayer()
        signed = [
            office.grant(who, 1),
            office.narrow(who, 2),
            office.narrow(who, 3, purposes=Purpose.HMB | Purpose.NPU),
        ]
        signed += [office.grant(who, 4, dataset=2)]
        found = relayer.put(shuffled(*signed))
        assert relayer.execute() is False
        assert states(relayer, found) == ["counted"] * 4
        events = office.events(who)
        assert [(name, dataset, at) for name, _, dataset, at, _ in events] == [
            ("Granted", 1, 1),
            ("Narrowed", 1, 2),
            ("Narrowed", 1, 3),
            ("Granted", 2, 4),
        ]
        assert len({event[-1] for event in events}) == 4

    def test_every_order_of_a_patients_files_ends_the_same(self, office):
        """Two grants, a narrowing, a revocation, a revoke-all: the last word is that of the last decision."""
        makers = office.grant, office.narrow, office.revoke, office.revoke_all
        for order in list(itertools.permutations(range(4)))[::5]:
            who, relayer = office.patient(), office.relayer()
            signed = [make(who, 10 + place) for make, place in zip(makers, order, strict=True)]
            relayer.put(shuffled(*signed))
            assert relayer.execute() is False
            last = max(zip(order, ("Granted", "Narrowed", "Revoked", "AllRevoked"), strict=True))[1]
            word = office.place.contracts.consents.word(who.address, 1)
            ended = office.place.contracts.consents.revoke_all_word(who.address)
            stands = word.purposes and word.signed_at > ended.signed_at
            assert bool(stands) == (last == "Granted" or (last == "Narrowed" and order[0] > max(order[2:])))

    def test_what_a_later_decision_replaces_is_not_posted(self, office):
        """A grant before a grant, all before a revocation, everything before a revoke-all; a narrowing's grant is."""
        first, second, third = office.patient(), office.patient(), office.patient()
        relayer = office.relayer()
        found = relayer.put(
            [
                *(office.grant(first, 1), office.grant(first, 2), office.narrow(first, 3)),
                *(office.grant(second, 1), office.narrow(second, 2), office.revoke(second, 3)),
                *(office.grant(third, 1), office.revoke(third, 2, dataset=2), office.revoke_all(third, 3)),
            ]
        )
        relayer.execute()
        replaced, counted = "replaced", "counted"
        assert states(relayer, found) == [
            *(replaced, counted, counted),
            *(replaced, replaced, counted),
            *(replaced, replaced, counted),
        ]
        assert [event[0] for event in office.events(first)] == ["Granted", "Narrowed"]
        assert [event[0] for event in office.events(second)] == ["Revoked"]
        assert [event[0] for event in office.events(third)] == ["AllRevoked"]

    def test_one_whose_replacement_is_refused_takes_its_place(self, office):
        """The later grant means nothing: the earlier one is what the patient has said."""
        who, relayer = office.patient(), office.relayer()
        found = relayer.put([office.grant(who, 1), office.grant(who, 2, purposes=Purpose.IRB)])
        relayer.execute()
        assert states(relayer, found) == ["counted", "refused"]
        assert relayer.look(found[1]).why == "NoPermission"

    def test_a_narrowing_that_came_before_its_grant_is_tried_again(self, office):
        """Else the patient's last word would be lost to the order of the files."""
        who, relayer = office.patient(), office.relayer()
        early = relayer.put([office.narrow(who, 2), office.narrow(who, 2, dataset=2)])
        relayer.execute()
        assert [relayer.look(each).why for each in early] == ["NothingToNarrow"] * 2
        relayer = office.relayer()
        found = relayer.put([office.grant(who, 1)])
        assert relayer.execute() is False
        assert states(relayer, found + early) == ["counted", "counted", "refused"]
        assert office.place.contracts.consents.word(who.address, 1).purposes == Purpose.HMB

    def test_what_somebody_made_up_replaces_nothing(self, office):
        """A forged revocation of a later second is refused at once, and the patient's grant counts."""
        who, relayer = office.patient(), office.relayer()
        found = relayer.put([office.forged(office.revoke(who, 9)), office.grant(who, 1)])
        relayer.execute()
        assert [relayer.look(each).why for each in found] == ["InvalidSignature", ""]
        assert states(relayer, found) == ["refused", "counted"]

    def test_a_revocation_goes_before_consents(self, office):
        """Of others, and of the same account for another dataset."""
        who, others, relayer = office.patient(), [office.patient() for _ in range(3)], office.relayer()
        relayer.put([office.grant(other, 1) for other in others])
        relayer.put([office.grant(who, 1), office.revoke(who, 2, dataset=2)])
        relayer.execute()
        assert office.events(who, *others)[0][0] == "Revoked"


class TestBatches:
    def test_no_transaction_has_two_decisions_of_an_account(self, office):
        """Nor does it show who came with whom: the order is another than that of the files."""
        people, relayer = [office.patient() for _ in range(BATCH + 6)], office.relayer()
        signed = [office.grant(who, 1) for who in people] + [office.narrow(who, 2) for who in people]
        found = relayer.put(signed)
        relayer.execute()
        assert set(states(relayer, found)) == {"counted"}
        events = office.events(*people)
        together = Counter((event[1], event[-1]) for event in events)
        assert max(together.values()) == 1
        granted = [event[1] for event in events if event[0] == "Granted"]
        assert sorted(granted) == sorted(who.address for who in people)
        assert granted != [who.address for who in people]
        assert 4 <= len({event[-1] for event in events}) <= 5

    def test_one_that_does_not_count_stops_no_other(self, office):
        """Endless signatures, another chain, a past deadline, one from a far future, a narrowing of nothing."""
        good, people = office.patient(), [office.patient() for _ in range(5)]
        here = office.grant(people[1], 1)
        elsewhere = Signed(replace(here.domain, chain_id=5), here.item)
        relayer = office.relayer()
        found = relayer.put(
            [
                office.forged(office.grant(people[0], 1), b"\1" * 60_000),
                elsewhere,
                office.grant(people[2], 1, deadline=office.start + 1),
                office.revoke(people[3], 92 * 86_400 + 2000),
                office.narrow(people[4], 1),
                office.grant(good, 1),
            ]
        )
        assert relayer.execute() is False
        reasons = [relayer.look(each).why for each in found]
        assert "60,000 bytes" in reasons[0]
        assert "on chain 5" in reasons[1]
        assert reasons[2:] == ["SignatureExpired", "SignatureFromFuture", "NothingToNarrow", ""]
        assert [event[1] for event in office.events(good, *people)] == [good.address]
        assert not any(b"0" * 1000 in path.read_bytes() for path in office.folder.glob("*.jsonl"))

    def test_a_decision_that_was_overtaken_meanwhile(self, office):
        """The patient revokes by another relayer while the grant waits: it is refused, and nothing is paid for it."""
        who, relayer = office.patient(), office.relayer(spread=80)
        found = relayer.put([office.grant(who, 1)])
        office.place.client.set_balance(who.address, ETHER)
        Sender(office.place.client, who).send(office.place.contracts.consents.revoke(1))
        office.now += 81
        assert relayer.execute() is False
        assert (states(relayer, found), relayer.look(found[0]).why) == (["refused"], "Overtaken")
        assert office.place.client.nonce(office.account.address) == 0

    def test_what_another_relayer_brought_counts(self, office):
        who, relayer = office.patient(), office.relayer()
        signed = office.grant(who, 1)
        consents = office.place.contracts.consents
        office.sender().send(consents.grant_by_sig(signed.item))
        found = relayer.put([signed])
        relayer.execute()
        assert states(relayer, found) == ["counted"]
        assert len(office.events(who)) == 1


class TestWallets:
    """Patients whose account is a contract: what it takes for a signature counts, whatever others of its kind do."""

    def deployed(self, office, name, argument: bytes):
        call = Call(None, bytes.fromhex(artifact(name)["bytecode"][2:]) + argument.rjust(32, b"\0"))
        return office.sender().send(call).contract

    def of_wallet(self, office, wallet, owner):
        """A grant of the wallet's, signed by its owner's key."""
        message = replace(office.grant(owner, 1).item.message, patient=wallet)
        return office.sign(owner, message)

    @pytest.mark.parametrize("chain", ["ground", pytest.param("live", marks=pytest.mark.anvil)])
    def test_a_wallets_word_is_asked_for(self, request, tmp_path, chain):
        place = request.getfixturevalue(chain)
        office = opened(place if chain == "ground" else place[-1], tmp_path)
        owner, stranger = office.patient(), office.patient()
        wallets = [self.deployed(office, "OwnedWallet", bytes.fromhex(owner.address[2:])) for _ in range(2)]
        faulty = [self.deployed(office, "FaultyWallet", bytes([fault])) for fault in range(5)]
        relayer = office.relayer()
        found = relayer.put(
            [
                *(self.of_wallet(office, wallet, owner) for wallet in faulty),
                self.of_wallet(office, wallets[0], stranger),
                self.of_wallet(office, wallets[1], owner),
            ]
        )
        assert relayer.execute() is False
        assert states(relayer, found) == ["refused"] * 6 + ["counted"]
        assert {relayer.look(each).why for each in found[:6]} == {"InvalidSignature"}


class TestTime:
    def test_a_spread_sets_decisions_apart(self, office):
        """At a few moments within it, by the relayer's clock; a restart keeps them."""
        people, relayer = [office.patient() for _ in range(24)], office.relayer(spread=8000)
        found = relayer.put([office.grant(who, 1) for who in people])
        moments = {each.due - office.now for each in found}
        assert 4 < len(moments) <= 8
        assert all(0 < moment <= 8000 and moment % 1000 == 0 for moment in moments)
        brought = []
        for _ in range(9):
            relayer = office.relayer(spread=8000)
            relayer.execute()
            brought.append(states(relayer, found).count("counted"))
            office.now += 1000
        assert brought == [sum(each.due <= 1_000_000 + 1000 * step for each in found) for step in range(9)]
        assert len({event[-1] for event in office.events(*people)}) == len(moments)

    def test_the_moments_are_the_same_for_what_comes_later(self, office):
        """So that one who comes alone meets others."""
        relayer = office.relayer(spread=8000)
        office.now += 333
        found = relayer.put([office.grant(office.patient(), 1) for _ in range(9)])
        assert all((each.due - 1_000_000) % 1000 == 0 and each.due > office.now for each in found)

    def test_a_revocation_is_held_back_for_ten_minutes_at_most(self, office):
        people, relayer = [office.patient() for _ in range(12)], office.relayer(spread=86_400)
        found = relayer.put([office.revoke(who, 1) for who in people])
        assert 0 < max(each.due for each in found) - office.now <= 600

    def test_one_that_is_signed_for_later_waits(self, office):
        """It is not refused as one from the future, and counts from its second on."""
        who, relayer = office.patient(), office.relayer()
        found = relayer.put([office.revoke_all(who, 1000 + 5000)])
        assert relayer.execute() is True
        assert 4000 < relayer.pause() < 6000
        office.place.client.travel(5001)
        assert relayer.execute() is False
        assert states(relayer, found) == ["counted"]


class TestQueue:
    def test_the_same_file_twice_is_one_decision(self, office):
        who, relayer = office.patient(), office.relayer()
        signed = office.grant(who, 1)
        relayer.put([signed, signed])
        relayer.put([signed])
        assert len(relayer.waiting()) == 1
        relayer.execute()
        assert len(office.events(who)) == 1

    def test_a_relayer_without_ether_loses_nothing(self, office):
        """It says so, and goes on once it has some."""
        people, relayer = [office.patient() for _ in range(3)], office.relayer()
        office.place.client.set_balance(office.account.address, 0)
        found = relayer.put([office.grant(who, 1) for who in people])
        with pytest.raises(OutOfFunds):
            relayer.execute()
        assert len(relayer.waiting()) == 3
        office.place.client.set_balance(office.account.address, ETHER)
        assert relayer.execute() is False
        assert states(relayer, found) == ["counted"] * 3

    def test_one_process_has_it(self, office):
        with open_relayer(office.place, office.sender(), office.folder / "queue") as relayer:
            assert relayer.waiting() == []
            with (
                pytest.raises(ConfigError, match="another --queue"),
                open_relayer(office.place, office.sender(), office.folder / "queue"),
            ):
                pass

    def test_a_thousand_are_queued_in_seconds(self, office):
        people = [account_from_key(number.to_bytes(32, "big")) for number in range(1, 1001)]
        signed, relayer = [office.grant(who, 1) for who in people], office.relayer(spread=600)
        started = time.monotonic()
        found = relayer.put(signed)
        assert time.monotonic() - started < 15
        assert len(office.relayer().waiting()) == len(found) == 1000


@pytest.mark.anvil
class TestKill:
    """Killed at any line and started again: nothing is lost, nothing is on the chain twice."""

    @pytest.mark.parametrize(
        "moment",
        ["put", "noted as posted", "signed", "handed in", "mined", "not noted", "noted as counted"],
    )
    def test_killed_and_started_again(self, live, tmp_path, moment):
        url, state, ground = live
        office = opened(ground, tmp_path)
        save_keystore(tmp_path / "key.json", office.account, "pass", trial=True)
        people = [office.patient() for _ in range(4)]
        signed = [office.grant(who, 1) for who in people]
        signed += [office.narrow(who, 2) for who in people[:2]] + [office.revoke_all(people[3], 3)]
        write_signed(tmp_path / "all.consent", office.domain, [each.item for each in shuffled(*signed)])
        program = [sys.executable, str(Path(__file__).with_name("relay_killed.py")), url, str(state)]
        killed = subprocess.run([*program, str(tmp_path), str(tmp_path / "all.consent"), moment], timeout=120)
        assert killed.returncode == -signal.SIGKILL
        relayer = office.relayer()
        assert len(relayer.waiting()) == (5 if moment == "noted as counted" else 7)
        assert relayer.execute() is False
        counted = sorted((name, who) for name, who, *_ in office.events(*people))
        expected = [("Granted", who.address) for who in people[:3]]
        expected += [("Narrowed", who.address) for who in people[:2]] + [("AllRevoked", people[3].address)]
        assert counted == sorted(expected)
        sent = ground.client.nonce(office.account.address)
        relayer.put(signed)
        assert relayer.execute() is False
        assert ground.client.nonce(office.account.address) == sent
