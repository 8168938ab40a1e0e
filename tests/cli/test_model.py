"""`medfed model`, typed at a terminal: registered, licensed, shared out, traced; daemons played the studies before."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from medfed.chain.calls import Call
from medfed.chain.contracts.base import interface_of
from medfed.chain.keys import load_keystore, save_keystore
from medfed.chain.wallet import create_wallet
from medfed.cli import run
from medfed.log import configure
from medfed.protocol.cid import cid_from_digest
from medfed.rounds.licences import TERMS_NOTICE
from tests.cli.conftest import PASSWORD, Terminal
from tests.nodes.federation import DISPUTE, ETHER, PATIENTS, deploy

PRICE = 30_000_000
"""Thirty tokens."""
SPONSOR, PATIENT_BPS, STEP = 1000, 2000, 16


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    configure("error")
    return deploy(tmp_path_factory.mktemp("ground"))


@pytest.fixture(scope="module")
def place(ground, tmp_path_factory):
    """A federation with two completed studies, the first of two rounds with a part for patients; and a terminal on its chain, which is in
    this process. Keystores: sponsor, consortium, buyer, anyone."""
    folder = tmp_path_factory.mktemp("market")
    world = ground.world(folder, 3)
    hospitals = [world.hospital(member) for member in world.members]
    studies = [finished(world, hospitals, 2, patient_bps=PATIENT_BPS), finished(world, hospitals, 1)]

    def federation():
        world.index.sync()
        return world.federation()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "open_chain", federation)
        patch.setattr(run, "open_federation", federation)
        patch.setenv("MEDFED_STATE_DIR", str(folder / "state"))
        (folder / "password.txt").write_text(PASSWORD)
        typed = Terminal(folder)
        save_keystore(folder / "sponsor.json", world.sponsor, PASSWORD, trial=True)
        save_keystore(folder / "consortium.json", ground.consortium, PASSWORD, trial=True)
        typed.ok("key", "new", "buyer.json", "anyone.json", "--trial")
        for name in ("buyer", "anyone"):
            world.client.set_balance(run.keystore_address(folder / f"{name}.json"), ETHER)
        token = world.contracts.development_token
        world.send(world.sponsor, token.mint(run.keystore_address(folder / "buyer.json"), 10 * PRICE))
        (folder / "terms.txt").write_text("For research. No resale.")
        early = typed("model", "register", studies[1], "--keystore", "anyone.json")
        world.client.travel(DISPUTE + 1)
        yield SimpleNamespace(
            world=world, typed=typed, studies=studies, token=token, folder=folder, early=early
        )


def finished(world, hospitals, rounds, **offer):
    study = world.opened(*hospitals, rounds=rounds, **offer)
    while world.study(study).ended != "completed":
        world.run(*hospitals)
    return study


@pytest.fixture
def sold(place):
    """The first study's model, registered and for sale under version 1 or later; what was done stays."""
    model, typed = place.studies[0], place.typed
    if not place.world.index.events("ModelRegistered", study=model):
        typed.ok("model", "register", model, "--keystore", "anyone.json")
        offer(place, model)
    return model


def offer(place, model, *options):
    """Terms of the sponsor's that have begun."""
    told = place.typed.data(
        *("model", "terms", model, "--price", "30", "--licence", "terms.txt", "--keystore", "sponsor.json"),
        *options,
    )
    place.world.client.travel(TERMS_NOTICE)
    return told


def held(place, who):
    return place.world.contracts.vault.balance(who, place.token.address).free


class TestRegistering:
    def test_a_model_is_registered_once_with_its_scores(self, place, sold):
        facts = place.typed.data("model", "show", sold)
        last = place.world.round(sold, 2).result
        assert facts["cid"] == cid_from_digest(last.model)
        assert facts["rounds"] == 2
        assert [entry["share"] for entry in facts["shares"]] == pytest.approx([1 / 3] * 3)
        again = place.typed("model", "register", sold, "--keystore", "anyone.json")
        assert (again.code, "is registered" in again.sentence) == (2, True)
        assert sold in [entry["model"] for entry in place.typed.data("model", "list")]

    def test_while_its_result_can_be_disputed_it_is_too_early(self, place):
        """The first thing refused is that its rounds' scores are not settled."""
        assert (place.early.code, "unlock after 20" in place.early.sentence) == (7, True)

    def test_stopped_half_way_it_goes_on(self, place, sold):
        """A round that somebody credited before is not credited again."""
        world, study = place.world, place.studies[1]
        history = world.round(study, 1)
        call = world.contracts.market.credit(study, 1, history.result, {0: history.updates[0]})
        world.send(world.sponsor, call)
        done = place.typed.data("model", "register", study, "--keystore", "anyone.json")
        assert done["transactions"] == 2
        assert sum(entry["share"] for entry in done["shares"]) == pytest.approx(1)

    def test_a_study_that_has_not_completed_has_no_model(self, place):
        study = place.world.post()
        answer = place.typed("model", "register", study, "--keystore", "anyone.json")
        assert (answer.code, "no model to register" in answer.sentence) == (2, True)
        shown = place.typed("model", "show", study)
        assert (shown.code, f"medfed model register {study}" in shown.sentence) == (2, True)
        traced = place.typed("model", "lineage", study)
        assert (traced.code, "none of its rounds is final" in traced.sentence) == (2, True)

    def test_the_study_tells_of_its_model(self, place, sold):
        said = " ".join(place.typed.ok("study", "show", sold).out.split())
        assert f"`medfed model show {sold}`" in said
        assert place.typed.data("study", "show", sold)["registered_at"] > 0


class TestSelling:
    def test_terms_are_set_by_the_sponsor_and_the_consortium_alone(self, place, sold):
        options = ("--price", "30", "--licence", "terms.txt", "--keystore")
        refused = place.typed("model", "terms", sold, *options, "anyone.json")
        assert (refused.code, "may not sell model" in refused.sentence) == (7, True)
        first = offer(place, sold)
        second = place.typed.data("model", "terms", sold, *options, "consortium.json", "--days", "365")
        assert second["version"] == first["version"] + 1
        assert (second["price"], second["seconds"]) == (PRICE, 365 * 86_400)
        text = place.world.store.get(second["licence"], 1 << 10)
        assert text == (place.folder / "terms.txt").read_bytes()

    @pytest.mark.parametrize(
        "options",
        [(), ("--price", "3"), ("--licence", "terms.txt"), ("--price", "3", "--licence", "x", "--stop")],
    )
    def test_terms_that_are_not_whole(self, place, sold, options):
        answer = place.typed("model", "terms", sold, *options, "--keystore", "sponsor.json")
        assert (answer.code, "--stop" in answer.sentence) == (2, True)

    def test_a_text_that_is_neither_a_file_nor_a_cid(self, place, sold):
        answer = place.typed(
            *("model", "terms", sold, "--price", "3", "--licence", "none.txt", "--keystore", "sponsor.json")
        )
        assert (answer.code, "neither a file nor a CID" in answer.sentence) == (2, True)

    def test_a_licence_is_bought_for_the_present_price_at_most(self, place, sold):
        typed = place.typed
        version = offer(place, sold, "--days", "1")["version"]
        buy = ("model", "buy", sold, "--keystore", "buyer.json")
        dear = typed(*buy, "--max-price", "29.5")
        assert (dear.code, "costs 30 MFT" in dear.sentence) == (2, True)
        poor = typed("model", "buy", sold, "--keystore", "anyone.json")
        assert (poor.code, "send it some" in poor.sentence) == (2, True)
        bought = typed.data(*buy)
        assert (bought["version"], bought["fee"]) == (version, PRICE)
        (entry,) = [
            e for e in typed.data("model", "licences", "buyer.json") if e["licence"] == bought["licence"]
        ]
        assert (entry["model"], entry["good"], entry["withdrawn"]) == (sold, True, False)
        place.world.client.travel(86_400)
        (entry,) = [
            e for e in typed.data("model", "licences", "buyer.json") if e["licence"] == bought["licence"]
        ]
        assert entry["good"] is False
        assert "over" in typed.ok("model", "licences", "buyer.json").out
        assert "legal permission" in typed.ok("model", "buy", sold, "--keystore", "buyer.json").out

    def test_a_licence_that_was_passed_on_is_the_next_holders(self, place, sold):
        """By the transfers on chain, not by who bought it; one that came for another account is that account's."""
        typed, market = place.typed, place.world.contracts.market
        offer(place, sold, "--transferable")
        buy = ("model", "buy", sold, "--keystore", "buyer.json")
        passed = typed.data(*buy)["licence"]
        given = typed.data(*buy, "--to", "anyone.json")["licence"]
        buyer = load_keystore(place.folder / "buyer.json", PASSWORD)
        receiver = run.keystore_address(place.folder / "anyone.json")
        moved = (buyer.address, receiver, passed, 1, b"")
        data = interface_of("ModelMarket").encode("safeTransferFrom", *moved)
        place.world.send(buyer, Call(market.address, data))
        numbers = {
            name: [entry["licence"] for entry in typed.data("model", "licences", f"{name}.json")]
            for name in ("buyer", "anyone")
        }
        assert {passed, given} <= set(numbers["anyone"])
        assert not {passed, given} & set(numbers["buyer"])

    def test_what_is_announced_is_told_with_its_day(self, place, sold):
        """By whoever announces it, to whoever looks, and to whoever buys meanwhile."""
        typed, key = place.typed, ("--keystore", "sponsor.json")
        told = typed.ok("model", "terms", sold, "--price", "20", "--licence", "terms.txt", *key).out
        assert f"Announced for model {sold}: licences for 20 MFT from 20" in told
        assert "Until then they cost 30 MFT." in " ".join(told.split())
        shown = " ".join(typed.ok("model", "show", sold).out.split())
        assert "Licences: 30 MFT; 20 MFT from 20" in shown
        assert "Announced: 20 MFT from 20" in shown
        bought = typed.ok("model", "buy", sold, "--keystore", "buyer.json").out
        assert "Another one costs 20 MFT from 20" in bought
        typed.ok("model", "terms", sold, "--stop", *key)
        offer(place, sold)

    def test_a_sale_can_rest(self, place, sold):
        place.typed.ok("model", "terms", sold, "--stop", "--keystore", "sponsor.json")
        answer = place.typed("model", "buy", sold, "--keystore", "buyer.json")
        assert (answer.code, "not for sale now" in answer.sentence) == (2, True)
        assert "not for sale" in place.typed.ok("model", "list").out
        options = "--price", "30", "--licence", "terms.txt", "--keystore", "sponsor.json"
        told = place.typed.data("model", "terms", sold, *options)
        coming = place.typed("model", "buy", sold, "--keystore", "buyer.json")
        assert (coming.code, "is not for sale yet: 30 MFT from 20" in coming.sentence) == (2, True)
        listed = " ".join(place.typed.ok("model", "list", COLUMNS="200").out.split())
        assert "not for sale; 30 MFT from 20" in listed
        assert "30 MFT" in place.typed.ok("model", "show", sold).out
        place.world.client.travel(TERMS_NOTICE)
        assert place.typed.data("model", "show", sold)["for_sale"] == told["version"]


class TestFees:
    def test_each_claims_its_part_and_revenue_tells(self, place, sold):
        typed, world = place.typed, place.world
        offer(place, sold)
        typed.ok("model", "buy", sold, "--keystore", "buyer.json")
        (told,) = typed.data("model", "revenue", sold)["tokens"]
        fees = told["fees"]
        assert fees == world.contracts.market.fees(sold, place.token.address)
        parts = {part["who"]: part for part in told["parts"]}
        assert parts["sponsor"]["earned"] == fees * SPONSOR // 10_000
        assert parts["patients"]["earned"] == fees * PATIENT_BPS // 10_000
        assert sum(part["earned"] for part in told["parts"]) == pytest.approx(fees, abs=5)
        hospital, operator = world.members[0].admin.address, world.members[0].operator.address
        before = held(place, hospital), held(place, world.sponsor.address)
        claim = ("model", "claim", sold)
        paid = typed.data(*claim, operator, "--keystore", "anyone.json")["claimed"]
        assert held(place, hospital) - before[0] == sum(paid.values()) > 0
        got = typed.data(*claim, "--keystore", "sponsor.json")["claimed"]
        assert held(place, world.sponsor.address) - before[1] == sum(got.values()) > 0
        assert "Nothing to claim now" in typed.ok(*claim, "--keystore", "sponsor.json").out
        stranger = typed(*claim, "--keystore", "anyone.json")
        assert (stranger.code, "neither a hospital nor the sponsor" in stranger.sentence) == (2, True)
        (later,) = typed.data("model", "revenue", sold)["tokens"]
        shown = {part["who"]: part["due"] for part in later["parts"]}
        assert shown["sponsor"] == 0
        assert "30 MFT" in typed.ok("model", "revenue", sold).out or later["fees"] != PRICE

    def test_a_patient_claims_with_a_wallet_when_told_what_it_shows(self, place, sold):
        """One payment for each round with the patient in its cohort; once, until more fees come."""
        typed, world, member = place.typed, place.world, place.world.members[0]
        typed.ok("model", "buy", sold, "--keystore", "buyer.json")
        seed = hashlib.sha256(f"{world.sponsor.address} 1".encode()).digest()
        create_wallet(place.folder / "wallet.json", PASSWORD, seed=seed, trial=True)
        number = next(number for number in range(PATIENTS) if in_cohorts(world, sold, number))
        account = member.wallet.account(number).address
        world.client.set_balance(account, ETHER)
        claim = ("model", "claim", sold, "--dataset", member.dataset, "--keystore", "wallet.json")
        claim += ("--account", number)
        assert "nobody has to claim" in " ".join(typed.ok(*claim).out.split())
        assert held(place, account) == 0
        (paid,) = typed.data(*claim, "--yes")["claimed"].values()
        pool = world.contracts.market.fees(sold, place.token.address) * PATIENT_BPS // 10_000
        rounds = [world.round(sold, number) for number in (1, 2)]
        own = [(each.updates[0].weight, each.weight) for each in rounds]
        assert paid == sum(pool * weight // ((weight + STEP) * total * 2) for weight, total in own)
        assert held(place, account) == paid
        assert typed.data(*claim, "--yes")["claimed"] == {}


def in_cohorts(world, study, number):
    """Whether the first hospital trained with this patient in both rounds."""
    from medfed.rounds.history import read_study
    from medfed.rounds.uses import own_leaf

    wallet = world.members[0].wallet
    who = wallet.account(number).address, wallet.link_secret(number)
    history = read_study(world.index, study)
    place = history, history.enrolment(world.members[0].id)
    return all(own_leaf(world.federation(), who, *place, world.round(study, each)) for each in (1, 2))


class TestLineage:
    def test_as_text_json_and_picture(self, place, sold):
        """Every file and every transaction of the way from the datasets to the licences is in each."""
        typed, world = place.typed, place.world
        typed.ok("model", "buy", sold, "--keystore", "buyer.json")
        png = place.folder / "lineage.png"
        text = typed.ok("model", "lineage", sold, "--png", png).out
        found = typed.data("model", "lineage", sold)
        for number in (1, 2):
            history = world.round(sold, number)
            for update in history.updates.values():
                for digest in (update.cid, update.cohort_cid):
                    assert cid_from_digest(digest) in text
            assert cid_from_digest(history.result.cid) in text
            assert cid_from_digest(history.result.model) in text
        assert text.count("0x") >= 2 * len(found["sources"]) + 2 * 5 + len(found["model"]["licences"])
        assert found["rounds"][0]["attesters"]
        assert png.read_bytes().startswith(b"\x89PNG")


def test_a_superseded_and_withdrawn_model_says_so_to_its_holders(place, sold):
    """Runs last: the model is gone from the market for good."""
    typed, later = place.typed, place.studies[1]
    key = ("--keystore", "sponsor.json")
    if not place.world.index.events("ModelRegistered", study=later):
        typed.ok("model", "register", later, "--keystore", "anyone.json")
    number = typed.data("model", "buy", sold, "--keystore", "buyer.json")["licence"]
    older = typed("model", "supersede", later, sold, *key)
    assert (older.code, "is not later" in older.sentence) == (7, True)
    typed.ok("model", "supersede", sold, later, *key)
    assert typed("model", "withdraw", sold, "--keystore", "anyone.json").code == 7
    typed.ok("model", "withdraw", sold, "--keystore", "consortium.json")
    (entry,) = [e for e in typed.data("model", "licences", "buyer.json") if e["licence"] == number]
    assert (entry["good"], entry["withdrawn"], entry["superseded_by"]) == (True, True, later)
    assert f"superseded by {later}" in " ".join(typed.ok("model", "licences", "buyer.json").out.split())
    gone = typed("model", "buy", sold, "--keystore", "buyer.json")
    assert (gone.code, "is withdrawn" in gone.sentence) == (2, True)
    again = typed("model", "withdraw", sold, *key)
    assert (again.code, "withdrawn" in again.sentence) == (7, True)
