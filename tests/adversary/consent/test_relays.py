"""What a stranger, a hospital or a wallet could do to a relayer's queue, on a real chain."""

from __future__ import annotations

import json
from dataclasses import astuple, replace

import pytest

from medfed.chain import posting
from medfed.chain.calls import Call
from medfed.chain.consent_file import entry_of, signed_of
from medfed.chain.deployment import open_index
from medfed.chain.keys import new_account
from medfed.errors import ConfigError, ContractRevert, InputError, MedFedError
from medfed.nodes import relaying
from medfed.nodes.decisions import DecisionLog
from medfed.protocol import consent
from medfed.protocol.consent import Details
from medfed.protocol.purposes import Purpose, is_defined
from medfed.protocol.typed import GrantMessage, NarrowMessage
from medfed.rounds.federation import OnChain
from medfed.types import DatasetId
from tests.adversary.consent.wallets import GREEDY, TWO_FACED, deploying
from tests.nodes.federation import deploy
from tests.nodes.relays import FOREVER, Office

ETHER = 10**18
GAS_FROM, GAS_STEP = 605_000, 13_000
MOST = sum(1 << bit for bit in range(32) if is_defined(1 << bit)) & ~int(Purpose.NRES | Purpose.MDS)
"""The consent with the longest words."""
WINDOW, NARROWER = Details(2010, 2020), Details(2015, 2016)


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    """With dataset 1, which has no names."""
    found = deploy(tmp_path_factory.mktemp("ground"))
    found.world(tmp_path_factory.mktemp("one"), 1)
    return found


@pytest.fixture
def people(ground, tmp_path):
    """Two more hospitals, each with a dataset."""
    return ground.world(tmp_path / "people", 2)


@pytest.fixture
def office(ground, tmp_path):
    account = new_account()
    ground.client.set_balance(account.address, 10 * ETHER)
    return Office(OnChain(ground.client, ground.contracts), account, tmp_path)


def consented(office, who, at, kind=GrantMessage, details=WINDOW, dataset=1, words=""):
    terms = int(Purpose.GRU), consent.NO_EXPIRY, *astuple(details), office.start + at, FOREVER, words
    return office.sign(who, kind(who.address, DatasetId(dataset), *terms))


def told(relayer, decisions):
    return [(each.state.value, each.why) for each in map(relayer.look, decisions)]


def titled(people, member, title: bytes):
    """The dataset's operator gives it a title of these bytes."""
    call = people.contracts.datasets.give_title(member.dataset, "A" * len(title))
    people.send(member.operator, replace(call, data=call.data.replace(b"A" * len(title), title)))


def put_wallet(office, code) -> str:
    return office.sender().send(Call(None, deploying(code))).contract


class TestTitles:
    def test_one_that_is_no_text_is_not_taken(self, office, people):
        """One hospital's title of a single byte once ended every daemon's and every relayer's reading of the chain."""
        with pytest.raises(ContractRevert, match="name"):
            titled(people, people.members[0], b"\xff")
        index = open_index(office.place.contracts, None)
        index.sync()
        assert "\ufffd" not in [event["title"] for event in index.events("DatasetTitled")]

    def test_given_between_signing_and_posting(self, office, people):
        """The patient was shown another text: nothing is posted in their name, and the relayer pays for nothing."""
        [member, _] = people.members
        relayer, who = office.relayer(), office.patient()
        found = relayer.put([consented(office, who, 1, dataset=member.dataset)])
        titled(people, member, b"Breast cytology")
        spent = office.place.client.balance(office.account.address)
        relayer.execute()
        assert told(relayer, found) == [("refused", "InvalidSignature")]
        assert office.place.client.balance(office.account.address) == spent
        [again] = relayer.put([consented(office, who, 1, dataset=member.dataset)])
        assert "called otherwise by now" in again.why

    def test_a_title_that_quotes_another_datasets_number(self, office, people):
        """The number in the text is the chain's."""
        first, second = people.members
        titled(people, first, f"dataset {second.dataset}".encode())
        words = office.place.contracts.datasets.describe(first.dataset)[0]
        assert words.startswith(f"dataset {first.dataset}, ")
        [found] = office.relayer().put(
            [consented(office, office.patient(), 1, dataset=second.dataset, words=words)]
        )
        assert "called otherwise" in found.why


class TestTold:
    def test_a_narrowing_of_the_grants_second_is_not_told_as_counted(self, office):
        """It is overtaken by a grant that differs from it in the window alone: the patient must hear that the wider one stands."""
        relayer, who = office.relayer(), office.patient()
        found = relayer.put([consented(office, who, 1), consented(office, who, 1, NarrowMessage, NARROWER)])
        relayer.execute()
        assert told(relayer, found) == [("counted", ""), ("refused", "Overtaken")]
        assert office.place.contracts.consents.details(who.address, DatasetId(1)) == WINDOW

    def test_what_is_on_the_chain_with_its_window_counts(self, office):
        """Brought by another relayer meanwhile."""
        relayer, who = office.relayer(), office.patient()
        signed = consented(office, who, 1)
        found = relayer.put([signed])
        posting.post(office.place.contracts.consents, office.sender(), [signed.item])
        relayer.execute()
        assert told(relayer, found) == [("counted", "")]


class TestWallets:
    def test_one_that_says_yes_when_asked_and_no_in_the_block(self, office):
        """Its own decision is refused; whoever stands beside it in the batch counts."""
        wallet, who = put_wallet(office, TWO_FACED), office.patient()
        lie = office.forged(replace_patient(office, consented(office, who, 1), wallet))
        relayer = office.relayer()
        found = relayer.put([lie, consented(office, who, 1)])
        relayer.execute()
        assert [state for state, _ in told(relayer, found)] == ["refused", "counted"]

    def test_one_that_takes_its_cap_is_not_lost_to_the_batchs_gas(
        self, ground, office, tmp_path, monkeypatch
    ):
        """Whatever gas is left for it, its good signature counts: too little says nothing about a signature. With every gas
        another dataset and other purposes, of which nobody has signed the words."""
        people = ground.world(tmp_path / "people", 4)
        for number, member in enumerate(people.members):
            titled(people, member, b"T" * 64)
            name = f"{number}{member.id}".ljust(64, "N")
            people.send(people.consortium, people.contracts.consortium.give_name(member.id, name))
            words = office.place.contracts.datasets.describe(member.dataset)[0]
            gas = GAS_FROM + number * GAS_STEP
            monkeypatch.setattr(posting, "_GAS_PER_BATCH", gas - 2 * posting._GAS_PER_GRANT)
            plain = consented(office, office.patient(), 1)
            long = consented(office, office.patient(), 1, dataset=member.dataset, words=words)
            terms = {"patient": put_wallet(office, GREEDY), "purposes": MOST & ~(1 << 12 + number)}
            items = [plain.item, replace(long.item, message=replace(long.item.message, **terms))]
            assert posting.post(office.place.contracts.consents, office.sender(), items) == []


def replace_patient(office, signed, patient):
    return replace(signed, item=replace(signed.item, message=replace(signed.item.message, patient=patient)))


class TestEndless:
    """A wallet that takes any bytes when asked, and none in a block: each of its decisions costs the relayer, and it nothing."""

    def handed_in(self, office, wallet, count, **forge):
        """What becomes of so many of its decisions beside one that is good, and what they cost."""
        relayer, terms = office.relayer(), consented(office, office.patient(), 1)
        before = office.place.client.balance(office.account.address)
        for number in range(count):
            mark = forge.get("mark", number)
            lie = office.forged(replace_patient(office, terms, wallet), bytes([mark]) * 65)
            found = relayer.put([lie, consented(office, office.patient(), 1)])
            relayer.execute()
        return told(relayer, found), before - office.place.client.balance(office.account.address)

    def test_the_same_file_is_paid_for_once(self, office):
        wallet = put_wallet(office, TWO_FACED)
        [(state, why), _], _ = self.handed_in(office, wallet, 1, mark=7)
        assert (state, why) == ("refused", "InvalidSignature")
        relayer = office.relayer()
        again = office.forged(
            replace_patient(office, consented(office, office.patient(), 1), wallet), b"\7" * 65
        )
        relayer.put([again])
        assert relayer.waiting() == []

    def test_other_bytes_each_time_are_paid_for_three_times(self, office):
        wallet, honest = put_wallet(office, TWO_FACED), put_wallet(office, GREEDY)
        found, _ = self.handed_in(office, wallet, 3)
        assert [state for state, _ in found] == ["refused", "counted"]
        relayer = office.relayer()  # also after a restart
        lie = office.forged(
            replace_patient(office, consented(office, office.patient(), 1), wallet), b"\x63" * 65
        )
        good = office.forged(replace_patient(office, consented(office, office.patient(), 1), honest))
        found = relayer.put([lie, good])
        assert [each.patient for each in relayer.waiting()] == [honest]
        relayer.execute()
        assert told(relayer, found) == [("refused", "InvalidSignature"), ("counted", "")]

    def test_a_refusal_without_a_name_is_told(self, office, monkeypatch):
        """As of a single transaction that reverted in its block alone: it was told as nothing, with exit code 0."""
        silent = posting.Skipped(0, office.account.address, "")
        monkeypatch.setattr(relaying, "post", lambda *_: [silent])
        relayer = office.relayer()
        found = relayer.put([consented(office, office.patient(), 1)])
        relayer.execute()
        [(state, why)] = told(relayer, found)
        assert state == "refused"
        assert "would take it when asked" in why


class TestAhead:
    """Decisions that are signed for a second to come, as `medfed patient sign revoke-all --spread` makes them."""

    DAY = 86_400

    @pytest.mark.parametrize("kind", ["revoke", "revoke_all"])
    def test_no_revocation_waits_for_one_to_come(self, office, kind):
        """Once it did: whoever had signed a revocation for next month stayed in every study until then, whatever they signed since."""
        who, relayer = office.patient(), office.relayer()
        relayer.put([office.grant(who, 1)])
        relayer.execute()
        later = relayer.put([getattr(office, kind)(who, 1000 + 50 * self.DAY)])
        relayer.execute()
        now = relayer.put([office.revoke(who, 2)])
        assert relayer.pause() == 0
        relayer.execute()
        assert told(relayer, [*later, *now]) == [("queued", ""), ("counted", "")]
        assert relayer.pause() > 49 * self.DAY

    def test_a_consent_waits_for_what_will_end_it(self, office):
        """Whoever took everything back, from a moment of tomorrow on, is not given a consent for the hours until then."""
        who, relayer = office.patient(), office.relayer()
        relayer.put([office.revoke_all(who, 1000 + self.DAY), office.grant(who, 1)])
        relayer.execute()
        assert office.events(who) == []

    def test_another_datasets_consent_does_not_wait(self, office, people):
        who, relayer = office.patient(), office.relayer()
        other = people.members[0].dataset
        relayer.put([office.revoke(who, 1000 + self.DAY), office.grant(who, 1, dataset=other)])
        relayer.execute()
        assert [event[:3] for event in office.events(who)] == [("Granted", who.address, other)]


class TestFiles:
    def entry(self, office):
        signed = consented(office, office.patient(), 1, words="dataset 1")
        return json.loads(json.dumps(entry_of(signed)))

    @pytest.mark.parametrize("number", [-1, -5, 1 << 32, 1 << 40, 10**80])
    def test_a_dataset_that_no_chain_has(self, office, number):
        """The words are about another, and the words are what is hashed: before, the relayer ended with all that it was given."""
        entry = self.entry(office)
        entry["terms"]["dataset_id"] = number
        with pytest.raises(InputError):
            signed_of(entry, "file, consent 1")

    def test_half_a_letter(self, office):
        entry = self.entry(office)
        entry["terms"]["dataset"] = entry["data"]["message"]["dataset"] = "\ud800"
        with pytest.raises(InputError, match="no text"):
            signed_of(entry, "file, consent 1")

    @pytest.mark.parametrize("number", [-1, 1 << 256, 1 << 4000, 1.0, None, [1]])
    def test_a_chain_that_is_no_number(self, office, number):
        entry = self.entry(office)
        entry["data"]["domain"]["chainId"] = number
        with pytest.raises(InputError):
            signed_of(entry, "file, consent 1")

    @pytest.mark.parametrize(
        ("name", "value"),
        [("dataset", "dataset 2"), ("uses", "clinical care"), ("data", "of all years"), ("until", "2027-03-01"),
         ("form", "0x" + "01" * 28), ("deadline", 1), ("extra", "x"), ("patient", "0x" + "22" * 20)],
    )  # fmt: skip
    def test_words_that_are_not_the_terms(self, office, name, value):
        entry = self.entry(office)
        entry["data"]["message"][name] = value
        with pytest.raises(InputError, match="shows other terms"):
            signed_of(entry, "file, consent 1")

    def test_terms_of_another_dataset_under_the_words_of_this(self, office, people):
        """The signature is good for the words; the number, which is not signed, is another's."""
        first, second = people.members
        entry = entry_of(consented(office, office.patient(), 1, words=f"dataset {first.dataset}"))
        entry["terms"]["dataset_id"] = second.dataset
        relayer = office.relayer()
        [found] = relayer.put([signed_of(entry, "file")])
        assert "called otherwise" in found.why
        assert relayer.waiting() == []


class TestQueues:
    def test_cut_at_every_byte(self, office):
        """What a kill leaves of the queue: nothing is posted twice, and the same file handed in again brings the same end."""
        who = office.patient()
        signed = [consented(office, who, 1), consented(office, who, 2, NarrowMessage, NARROWER)]
        relayer = office.relayer()
        relayer.put(signed)
        relayer.execute()
        [path] = office.folder.glob("decisions-*.jsonl")
        whole, events = path.read_bytes(), office.events(who)
        assert [event[0] for event in events] == ["Granted", "Narrowed"]
        for cut in range(0, len(whole), 97):
            path.write_bytes(whole[:cut])
            again = office.relayer()
            found = again.put(signed)
            again.execute()
            assert again.waiting() == []
            # What of the grant is gone under the narrowing is not told as refused words of the narrowing.
            assert told(again, found)[1] == ("counted", "")
        assert office.events(who) == events

    @pytest.mark.parametrize(
        "line",
        [
            b"\0",
            b"[]",
            b'{"mark":{"counted":["x"]},"why":""}',
            b'{"put":1}',
            b'{"put":1,"due":"nan","signed":[]}',
            b"1" * 5000,
        ],
    )
    def test_lines_that_somebody_else_wrote(self, tmp_path, line):
        path = tmp_path / "decisions.jsonl"
        path.write_bytes(line + b"\n")
        with pytest.raises(ConfigError, match="Line 1"):
            DecisionLog(path)

    def test_nothing_that_is_told_names_an_account(self, office):
        """Neither the repr of what fails in a traceback nor a reason."""
        who, relayer = office.patient(), office.relayer()
        found = relayer.put(
            [
                office.forged(consented(office, who, 1)),
                consented(office, who, 2, dataset=99),
                consented(office, who, FOREVER - office.start),
                consented(office, who, 3),
            ]
        )
        relayer.execute()
        shown = repr([relayer.look(each) for each in found])
        assert who.address[2:].lower() not in shown.lower()
        entry = entry_of(consented(office, who, 1))
        entry["terms"]["purposes"] = 0
        with pytest.raises(MedFedError) as caught:
            signed_of(entry, "file")
        assert who.address[2:].lower() not in str(caught.value).lower()
