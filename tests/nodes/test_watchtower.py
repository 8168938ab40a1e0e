"""The watchtower: each lie is proved once and paid for by who told it, whenever it is started; honest rounds hear nothing."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from medfed.chain.contracts.claims import AttemptState
from medfed.chain.sender import Sender
from medfed.errors import ConfigError, OutOfFunds
from medfed.nodes.alerts import Alert, Alerts
from medfed.nodes.health import Health
from medfed.nodes.hospital import Hospital
from medfed.nodes.lookout import Lookout
from medfed.nodes.watchtower import Watchtower
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.phase import Outcome
from medfed.rounds.proofs import challenge
from medfed.storage.local import LocalStore
from tests.nodes import liars
from tests.nodes.federation import BOND, DISPUTE, PHASE, REWARD, STAKE, account
from tests.nodes.stores import HidingStore

pytestmark = pytest.mark.usefixtures("quiet")

CLAIM = 400


class Kept(Alerts):
    """Alerts that a test reads; real ones otherwise."""

    def __init__(self, health):
        super().__init__(health)
        self.kept = []

    def tell(self, alert):
        self.kept.append(alert)
        super().tell(alert)


class Tower:
    """A watchtower of a stranger with nothing but gas money; `again` is what a restart makes."""

    def __init__(self, world, **options):
        self.world, self.options = world, options
        self.account = account("tower", str(world.folder))
        world.client.set_balance(self.account.address, 10**18)
        self.again()

    def again(self):
        self.health = Health()
        self.alerts = Kept(self.health)
        self.daemon = Watchtower(
            self.world.federation(self.options.pop("store", None)),
            Sender(self.world.client, self.account),
            health=self.health,
            alerts=self.alerts,
            **self.options,
        )
        return self

    def run(self, cycles=1):
        for _ in range(cycles):
            self.daemon.execute()
        return [alert for alert in self.alerts.kept if self._is_ours(alert.study)]

    def _is_ours(self, study):
        """The chain of this file has studies of other tests, whose stores are elsewhere."""
        return self.world.study(study).sponsor == self.world.sponsor.address

    @property
    def awaiting(self):
        return any(self._is_ours(key[0]) for key in self.daemon._lookout._waits)

    @property
    def sent(self):
        return self.world.client.nonce(self.account.address)

    @property
    def free(self):
        token = self.world.contracts.development_token.address
        return self.world.contracts.vault.balance(self.account.address, token).free


def money(world, member):
    found = world.contracts.vault.balance(member.id, world.contracts.development_token.address)
    return found.free + found.locked


def challenger_bps(world):
    return world.contracts.vault.challenger_bps()


@pytest.fixture
def tower(world):
    return Tower(world)


@pytest.fixture
def closed(world, three):
    """A study whose updates are all public while nobody attests; hospitals' money before."""
    study = liars.submitted(world, three, claim_seconds=CLAIM)
    liars.publish(world, study)
    return study


class TestAnHonestStudy:
    def test_hears_nothing(self, world, three, tower):
        """From enrolment to the last token: no transaction, no alert."""
        study = world.opened(*three, rounds=2)
        for _ in range(8):
            world.run(*three)
            tower.run()
        assert world.study(study).ended == "completed"
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=2)
        assert tower.run() == []
        assert tower.sent == 0

    def test_is_read_once(self, world, three, tower, monkeypatch):
        """What was found right is not fetched again, and no view of the chain is asked for it."""
        study = world.opened(*three, rounds=1)
        world.run(*three, cycles=4)
        tower.run()
        assert world.round(study, 1).final_at
        fetched, asked = [], []
        stream, read = LocalStore._read, type(world.client).read
        monkeypatch.setattr(LocalStore, "_read", lambda *a: fetched.append(a) or stream(*a))
        monkeypatch.setattr(type(world.client), "read", lambda *a, **k: asked.append(a) or read(*a, **k))
        tower.run(cycles=3)
        assert not fetched
        assert not asked


class TestAClaim:
    @pytest.mark.parametrize("lie", ["header", "first", "middle", "last", "padding", "short", "beyond"])
    def test_that_lies_in_one_word_costs_its_bond(self, world, three, closed, tower, lie):
        """The challenger has its share, the others lose nothing, and the round ends with the true model."""
        before = [money(world, member) for member in world.members]
        right = liars.truth(world, closed).aggregate
        liar = liars.claim(world, closed, liars.forged_aggregate(world, closed, lie))
        (alert,) = tower.run()
        assert (alert.kind, alert.round, tower.sent) == ("proved", 1, 1)
        assert world.contracts.claims.attempt(closed, 1, 0).state is AttemptState.REFUTED
        tower.run()  # fetches its share
        assert tower.free == BOND * challenger_bps(world) // 10_000
        world.run(*three, cycles=2)
        assert world.round(closed, 1).result == right
        after = [money(world, member) for member in world.members]
        lost = [old - new for old, new in zip(before, after, strict=True)]
        assert lost == [BOND if seat == liar else 0 for seat in range(3)]

    @pytest.mark.parametrize("lie", ["model", "cid", "root", "withheld", "length"])
    def test_that_cannot_be_proved_wrong_is_told(self, world, three, closed, tower, lie):
        """And never becomes final: the hospitals object, and end the round with the true model."""
        right = liars.truth(world, closed).aggregate
        liars.claim(world, closed, liars.forged_aggregate(world, closed, lie))
        (alert,) = tower.run(cycles=2)
        assert (alert.kind, tower.sent) == ("unprovable", 0)
        assert "does not object" in alert.done
        world.run(*three, cycles=2)
        assert world.round(closed, 1).result == right

    def test_withheld_bytes_that_come_late_are_proved(self, world, closed, tower, monkeypatch):
        """Whoever hides the bytes of a lie and shows them later is caught then."""
        lie = liars.forged_aggregate(world, closed, "withheld")
        liars.claim(world, closed, lie)
        assert [alert.kind for alert in tower.run()] == ["unprovable"]
        assert tower.awaiting
        liars.forged_aggregate(world, closed, "first")  # the same bytes
        assert [alert.kind for alert in tower.run()] == ["unprovable", "proved"]
        assert world.contracts.claims.attempt(closed, 1, 0).state is AttemptState.REFUTED

    def test_that_somebody_makes_again_is_proved_again(self, world, closed, tower):
        """The same lie by the next hospital: another bond, another proof."""
        lie = liars.forged_aggregate(world, closed, "first")
        for attempt in range(2):
            liars.claim(world, closed, lie)
            tower.run()
            found = world.contracts.claims.attempt(closed, 1, attempt)
            assert found.state in (AttemptState.REFUTED, AttemptState.SETTLED)
        tower.run(cycles=2)
        assert tower.free == 2 * (BOND * challenger_bps(world) // 10_000)

    def test_whose_author_sent_a_wrong_update_costs_both(self, world, three, tower):
        """The claim is proved first: once the update has left the set, the claim over it is out of reach."""
        study = liars.submitted(world, three, honest=[three[0], three[2]], claim_seconds=CLAIM)
        before = [money(world, member) for member in world.members]
        liar = world.members[1]
        liars.submit(world, study, liar, liars.forged_update(world, study, liar, "padding"))
        liars.publish(world, study)
        assert liars.claim(world, study, liars.unchecked(world, study, lie=1)) == 1
        alerts = [alert.what for alert in tower.run(cycles=3) if alert.kind == "proved"]
        assert alerts == ["the claim of seat 1", "the update of seat 1"]
        lost = [old - money(world, member) for old, member in zip(before, world.members, strict=True)]
        assert lost == [0, STAKE + BOND, 0]

    def test_that_is_true_is_left_alone(self, world, closed, tower):
        liars.claim(world, closed, liars.truth(world, closed).aggregate)
        assert tower.run(cycles=2) == []
        assert tower.sent == 0

    def test_with_an_update_that_nobody_has_is_told_in_time(self, world, three, closed, tower):
        """Not at once, as bytes may be on their way; from the middle of its window on."""
        hidden = HidingStore(world.folder / "store")
        hidden.hidden = {cid_from_digest(world.round(closed, 1).updates[2].cid)}
        tower.options["store"] = hidden
        tower.again()
        liars.claim(world, closed, liars.truth(world, closed).aggregate)
        assert tower.run() == []
        assert tower.awaiting
        world.client.travel(CLAIM // 2 + 1)
        told = tower.run()
        assert ("withheld", "the claim of seat 1") in {(alert.kind, alert.what) for alert in told}

    def test_is_objected_to_where_that_is_asked_for(self, world, three, closed):
        """With a bond from the stranger's balance, which comes back as the lie does not become final."""
        tower = Tower(world, objects=True)
        liars.claim(world, closed, liars.forged_aggregate(world, closed, "withheld"))
        assert "are free in the vault" in tower.run()[0].done
        token, vault = world.contracts.development_token, world.contracts.vault
        for call in (
            token.mint(tower.account.address, BOND),
            token.approve(vault.address, BOND),
            vault.deposit(token.address, BOND, tower.account.address),
        ):
            world.send(tower.account, call)
        tower.run()
        assert world.contracts.claims.attempt(closed, 1, 0).objector == tower.account.address
        world.run(*three, cycles=2)
        assert world.round(closed, 1).result == liars.truth(world, closed).aggregate
        world.client.travel(DISPUTE + 1)
        world.run(*three)
        tower.run(cycles=2)
        assert tower.free == BOND

    def test_with_the_right_vector_is_not_worth_a_bond(self, world, closed):
        """Only the vector decides who loses one: whoever objects to a wrong model would lose it to the true result."""
        tower = Tower(world, objects=True)
        liars.claim(world, closed, liars.forged_aggregate(world, closed, "model"))
        (alert,) = tower.run(cycles=2)
        assert "same vector" in alert.done
        assert world.contracts.claims.attempt(closed, 1, 0).state is AttemptState.PENDING


class TestAQuorum:
    def test_that_lies_loses_every_stake(self, world, three, closed, tower):
        """The study aborts; who was not in it keeps all it has."""
        before = [money(world, member) for member in world.members]
        liars.attest(world, closed, liars.forged_aggregate(world, closed, "middle"), (0, 1))
        assert world.study(closed).ended == "completed"
        assert [alert.what for alert in tower.run()] == ["the result"]
        assert world.study(closed).ended == "aborted"
        lost = [old - money(world, member) for old, member in zip(before, world.members, strict=True)]
        assert lost == [STAKE, STAKE, 0]
        assert tower.free == 2 * STAKE * challenger_bps(world) // 10_000

    def test_that_adds_a_leaf_beyond_the_last_chunk(self, world, closed, tower):
        """Every word that the study knows of is right; the root is one that no vector has."""
        liars.attest(world, closed, liars.forged_aggregate(world, closed, "beyond"), (0, 1))
        assert [alert.kind for alert in tower.run()] == ["proved"]
        assert world.round(closed, 1).outcome is Outcome.REFUTED

    def test_is_caught_by_a_tower_that_starts_late(self, world, closed):
        """At the last moment of the window; and a moment later nothing is tried any more."""
        liars.attest(world, closed, liars.forged_aggregate(world, closed, "last"), (0, 1))
        world.client.travel(DISPUTE - 30)
        assert [alert.kind for alert in Tower(world).run()] == ["proved"]
        assert world.study(closed).ended == "aborted"

    def test_whose_window_is_over_is_history(self, world, closed, tower):
        liars.attest(world, closed, liars.forged_aggregate(world, closed, "last"), (0, 1))
        world.client.travel(DISPUTE + 1)
        world.send(world.sponsor, world.contracts.development_token.mint(world.sponsor.address, 1))
        assert tower.run() == []
        assert tower.sent == 0

    def test_is_proved_once_however_often_the_tower_is_killed(self, world, closed, tower):
        liars.attest(world, closed, liars.forged_aggregate(world, closed, "first"), (0, 1))
        for _ in range(3):
            tower.again().run(cycles=2)
        assert tower.sent == 1

    def test_that_somebody_else_proved_wrong_is_no_trouble(self, world, closed, tower):
        """Two towers see the same lie in the same block: the second is too late, and says so."""
        liars.attest(world, closed, liars.forged_aggregate(world, closed, "first"), (0, 1))
        other = Watchtower(world.federation(), Sender(world.client, account("other", str(world.folder))))
        world.client.set_balance(account("other", str(world.folder)).address, 10**18)
        study = world.study(closed)
        findings = list(tower.daemon._lookout.look(study, world.client.head().timestamp))
        other.execute()
        tower.daemon._answer(findings[0])
        assert "somebody else was first" in tower.alerts.kept[0].done
        assert tower.sent == 0


class TestEveryLie:
    """Whatever else was proved, of the same people or in the same study: each lie within its window is undone."""

    @pytest.fixture
    def twice(self, world, three):
        """A study whose two rounds the first two hospitals lied about; the third was honest."""
        study = liars.submitted(world, three, rounds=2)
        liars.publish(world, study)
        liars.attest(world, study, liars.forged_aggregate(world, study, "middle"), (0, 1))
        world.run(*three)
        liars.publish(world, study, 2)
        liars.attest(world, study, liars.forged_aggregate(world, study, "middle", 2), (0, 1), 2)
        assert world.study(study).ended == "completed"
        return study

    @pytest.mark.parametrize("first", [1, 2])
    def test_of_two_rounds_whichever_is_proved_first(self, world, three, tower, twice, first):
        """The liars have nothing of either round, the honest hospital is paid for both in one transaction."""
        lookout = Lookout(world.federation())
        found = list(lookout.look(world.study(twice), world.client.head().timestamp))
        (proved,) = [each for each in found if each.place.number == first]
        proofs = world.contracts.proofs
        world.send(world.sponsor, challenge(proofs, proved.place, proved.proof, proved.result))
        alerts = tower.run(cycles=2)
        assert [(alert.round, alert.kind) for alert in alerts] == [(3 - first, "proved")]
        assert [world.round(twice, number).outcome for number in (1, 2)] == [Outcome.REFUTED] * 2
        study = world.study(twice)
        assert (study.ended, dict(study.barred), study.stakes_lost) == ("aborted", {0: 1, 1: 1}, 0b011)
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=3)
        claimed = world.index.events("Claimed", study=twice)
        assert [(event["seat"], event["round"]) for event in claimed] == [(2, 1), (2, 2)]
        assert len({event.tx_hash for event in claimed}) == 1
        assert {
            event["seat"]: event["amount"] > 0 for event in world.index.events("StakeReleased", study=twice)
        } == {
            0: False,
            1: False,
            2: True,
        }

    def test_shows_in_the_metrics_of_a_hospital(self, world, three, tower, twice):
        """Rounds that were final when it looked first."""
        health, member = Health(), world.members[2]
        honest = Hospital(world.federation(), three[2]._site.sender, member.config(), member.home, health)
        world.run(honest)
        assert b'medfed_rounds{phase="final"} 2.0' in health.metrics()
        tower.run()
        world.run(honest)
        assert b'medfed_rounds{phase="refuted"} 2.0' in health.metrics()
        assert b'medfed_rounds{phase="final"} 0.0' in health.metrics()

    def test_of_liars_whose_own_updates_are_wrong_too(self, world, three, tower):
        """The result is proved wrong first, then the updates; restarts and the end of the window change nothing."""
        study = liars.submitted(world, three, honest=three[2:], rounds=2)
        before = [money(world, member) for member in world.members]
        for liar in world.members[:2]:
            liars.submit(world, study, liar, liars.forged_update(world, study, liar, "padding"))
        liars.publish(world, study)
        liars.attest(world, study, liars.unchecked(world, study, lie=1), (0, 1))
        proved = [alert.what for alert in tower.run(cycles=3) if alert.kind == "proved"]
        assert proved == ["the result", "the update of seat 0", "the update of seat 1"]
        history = world.round(study, 1)
        assert (history.outcome, history.struck, world.study(study).ended) == (
            Outcome.REFUTED,
            {0, 1},
            "aborted",
        )
        assert tower.free == 2 * STAKE * challenger_bps(world) // 10_000
        lost = [old - money(world, member) for old, member in zip(before, world.members, strict=True)]
        assert lost == [STAKE, STAKE, 0]
        tower.again().run(cycles=2)
        assert tower.sent == 3
        self.settled(world, three, study)

    @pytest.mark.parametrize("strikes", [(0,), (0, 1)])
    def test_of_liars_who_have_themselves_struck_first(self, world, three, tower, strikes):
        """An accomplice proves their updates wrong at once; the lie itself is refuted all the same."""
        study = liars.submitted(world, three, honest=three[2:], rounds=2)
        before = [money(world, member) for member in world.members]
        for liar in world.members[:2]:
            liars.submit(world, study, liar, liars.forged_update(world, study, liar, "header"))
        liars.publish(world, study)
        liars.attest(world, study, liars.unchecked(world, study, lie=1), (0, 1))
        lookout = Lookout(world.federation())
        for found in list(lookout.look(world.study(study), world.client.head().timestamp)):
            if found.what in {f"the update of seat {seat}" for seat in strikes}:
                proofs = world.contracts.proofs
                world.send(world.sponsor, challenge(proofs, found.place, found.proof, found.result))
        assert world.round(study, 1).outcome is Outcome.TAINTED
        tower.run(cycles=2)
        assert world.round(study, 1).outcome is Outcome.REFUTED
        lost = [old - money(world, member) for old, member in zip(before, world.members, strict=True)]
        assert lost == [STAKE, STAKE, 0]
        self.settled(world, three, study)

    def test_of_one_sacrificed_update(self, world, three, tower):
        """Out of all bounds, and attested to by its author and another: the sum is that of the updates, and stands for nothing."""
        study = liars.submitted(world, three, honest=three[1:], rounds=2)
        before = [money(world, member) for member in world.members]
        liar = world.members[0]
        liars.submit(world, study, liar, liars.forged_update(world, study, liar, "bound"))
        liars.publish(world, study)
        liars.attest(world, study, liars.unchecked(world, study), (0, 1))
        proved = [alert.what for alert in tower.run(cycles=3) if alert.kind == "proved"]
        assert proved == ["the update of seat 0"]
        assert (world.round(study, 1).outcome, world.study(study).ended) == (Outcome.TAINTED, "aborted")
        careless = STAKE * world.contracts.studies.slash_bps() // 10_000
        lost = [old - money(world, member) for old, member in zip(before, world.members, strict=True)]
        assert lost == [STAKE, careless, 0]
        assert tower.free == STAKE * challenger_bps(world) // 10_000
        self.settled(world, three, study)

    @staticmethod
    def settled(world, three, study):
        """The honest hospital is paid for the round as if it were right, the sponsor has the other round's reward back."""
        world.client.travel(DISPUTE + 1)
        world.run(*three, cycles=3)
        world.send(world.sponsor, world.contracts.studies.refund(study))
        world.index.sync()
        weights = world.round(study, 1)
        (paid,) = world.index.events("Claimed", study=study)
        due = REWARD * 9 // 10 * weights.updates[2].weight // weights.weight
        assert (paid["seat"], paid["round"], paid["amount"]) == (2, 1, due)
        (refund,) = world.index.events("Refunded", study=study)
        assert refund["amount"] == REWARD

    def test_that_a_round_s_end_overtakes_is_proved_in_the_next_cycle(self, world, three, tower):
        """A proof that was made for an open round, and sent when it is final, is refused and made again."""
        study = liars.submitted(world, three, honest=three[:2])
        liars.submit(
            world, study, world.members[2], liars.forged_update(world, study, world.members[2], "bound")
        )
        (found,) = tower.daemon._lookout.look(world.study(study), world.client.head().timestamp)
        world.run(*three[:2], cycles=3)
        assert world.round(study, 1).final_at
        tower.daemon._answer(found)
        assert "refused" in tower.alerts.kept[-1].done
        tower.run()
        assert world.round(study, 1).struck == {2}

    def test_of_a_round_that_ended_void(self, world, three, tower):
        """A wrong update costs its stake though nothing came of it."""
        study = liars.submitted(world, three, honest=three[:2])
        update = liars.forged_update(world, study, world.members[2], "bound")
        liars.submit(world, study, world.members[2], update)
        liars.publish(world, study)
        world.client.travel(PHASE + 3)
        world.send(world.sponsor, world.contracts.rounds.advance(study))
        assert world.round(study, 1).void
        assert [alert.kind for alert in tower.run()] == ["proved"]
        assert world.round(study, 1).struck == {2}

    def test_without_funds_for_one_proof_the_others_are_sent(self, world, twice, tower, monkeypatch):
        """What cannot be sent now keeps nothing else back, and is tried again."""
        send = tower.daemon._sender.send
        calls = []

        def short(call):
            calls.append(call)
            if len(calls) == 1:
                raise OutOfFunds("not enough for this one")
            return send(call)

        monkeypatch.setattr(tower.daemon._sender, "send", short)
        with pytest.raises(OutOfFunds):
            tower.daemon.execute()
        assert [world.round(twice, number).undone for number in (1, 2)] == [False, True]
        tower.run()
        assert world.round(twice, 1).undone


class TestARoundWithTooFew:
    def test_has_no_bytes_to_wait_for(self, world, three, tower):
        """One hospital submitted: nobody is to publish anything, open or void."""
        study = liars.submitted(world, three, honest=three[:1])
        world.client.travel(2 * PHASE)
        assert tower.run() == []
        world.send(world.sponsor, world.contracts.rounds.advance(study))
        assert world.round(study, 1).void
        assert tower.run(cycles=2) == []
        assert not tower.awaiting


class TestAnUpdate:
    @pytest.mark.parametrize("lie", ["header", "bound", "negative", "padding", "beyond"])
    def test_that_cannot_be_right_costs_its_stake(self, world, three, tower, lie):
        """It leaves the round, which the others end; they lose nothing and go on."""
        study = liars.submitted(world, three, honest=three[:2], claim_seconds=CLAIM)
        before = [money(world, member) for member in world.members]
        update = liars.forged_update(world, study, world.members[2], lie)
        liars.submit(world, study, world.members[2], update)
        assert [alert.what for alert in tower.run() if alert.kind == "proved"] == ["the update of seat 2"]
        assert world.round(study, 1).struck == {2}
        world.run(*three[:2], cycles=3)
        assert world.round(study, 1).result.included == 0b011
        lost = [old - money(world, member) for old, member in zip(before, world.members, strict=True)]
        assert lost == [0, 0, STAKE]
        assert tower.free == STAKE * challenger_bps(world) // 10_000

    def test_of_a_round_that_is_final_already(self, world, three, tower):
        """The quorum left it out; it is proved all the same while its window lasts."""
        study = liars.submitted(world, three, honest=three[:2])
        update = liars.forged_update(world, study, world.members[2], "bound")
        liars.submit(world, study, world.members[2], update)
        world.run(*three[:2], cycles=3)
        assert world.round(study, 1).final_at
        assert [alert.kind for alert in tower.run()] == ["proved"]
        assert world.round(study, 1).struck == {2}

    @pytest.mark.parametrize(("lie", "why"), [("root", "another chunk root"), ("short", "bytes")])
    def test_that_no_chunk_convicts_is_told(self, world, three, tower, lie, why):
        study = liars.submitted(world, three, honest=three[:2])
        liars.submit(world, study, world.members[2], liars.forged_update(world, study, world.members[2], lie))
        world.run(*three[:2])
        (alert,) = tower.run()
        assert alert.kind == "unprovable"
        assert why in alert.reason
        assert tower.sent == 0

    def test_whose_hospital_was_struck_is_waited_for_no_more(self, world, three, tower):
        """The others abstain for it in the next round, and attest anew to what is left of this one."""
        study = liars.submitted(world, three, honest=three[:2], rounds=2)
        update = liars.forged_update(world, study, world.members[2], "padding")
        liars.submit(world, study, world.members[2], update)
        tower.run()
        world.run(*three, cycles=8)
        assert world.study(study).ended == "completed"
        assert world.round(study, 2).abstained == {2}


class TestTelling:
    ALERT = Alert("proved", 1, 2, "the result", "chunk 3 is wrong", "challenge", 31337, "0x00")

    def test_a_webhook_gets_each_alert_as_json(self):
        bodies, status = [], [500, 204, 204]

        class Inbox(BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status.pop(0))
                self.end_headers()

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Inbox)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        alerts = Alerts(Health(), f"http://127.0.0.1:{server.server_port}/secret")
        alerts.tell(self.ALERT)
        alerts.deliver()  # refused: it stays
        alerts.deliver()
        alerts.deliver()
        server.shutdown()
        server.server_close()
        thread.join()
        assert [body["what"] for body in bodies] == ["the result"] * 2
        assert bodies[0]["round"] == 2

    def test_one_that_nobody_answers_stops_nothing(self, capfd):
        from medfed.log import configure

        configure("warning")
        alerts = Alerts(Health(), "http://127.0.0.1:9/secret-path")
        alerts.tell(self.ALERT)
        alerts.deliver()
        said = capfd.readouterr().err
        assert "webhook not reached" in said
        assert "secret-path" not in said

    def test_each_is_counted(self):
        health = Health()
        Alerts(health).tell(self.ALERT)
        assert b'medfed_alerts_total{kind="proved"} 1.0' in health.metrics()

    @pytest.mark.parametrize("url", ["ftp://host/", "host", "http://"])
    def test_a_wrong_address_is_refused(self, url):
        with pytest.raises(ConfigError, match="http"):
            Alerts(Health(), url)
