"""Bundles that an outsider forges: each is refused, is a difference, or is told as not proved, by exit code."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak

from medfed.chain import rlp
from medfed.chain.client import ChainClient
from medfed.chain.recorded import Recorder
from medfed.chain.root import follow
from medfed.protocol.cid import cid_from_digest, cid_of, digest_of
from medfed.rounds.bundle import Limits, export_bundle
from medfed.types import NO_ACCOUNT
from tests.adversary.evidence.conftest import LIMITS
from tests.adversary.evidence.forger import swapped, topic

RIGHT, WRONG, INPUT, DAMAGED, ELSEWHERE, UNPROVED = 0, 1, 2, 3, 5, 8


def without(*events):
    """The receipts' events but those of these kinds."""
    topics = {topic(*event) for event in events}
    return lambda logs: [log for log in logs if log[1][0] not in topics]


def test_the_honest_bundle_is_right_and_proved(honest, code, forger):
    """What all others are measured by: with the hash and the address that a reader has from elsewhere, too."""
    manifest = forger.manifest
    assert code(honest) == RIGHT
    assert code(honest, "--rounds", manifest.rounds, "--block-hash", manifest.block_hash) == RIGHT
    assert code(forger.write()) == RIGHT


class TestEvents:
    """Told otherwise than they were. Under the true headers they are refused; under headers of the forger's own the
    contracts' storage is against them, and the hash is another."""

    @pytest.mark.parametrize(
        "event",
        [
            ("Payouts", "Claimed"),
            ("Payouts", "PatientPaid"),
            ("FederatedRounds", "UpdateSubmitted"),
            ("FederatedRounds", "RoundFinal"),
            ("FederatedRounds", "UpdateStruck"),
            ("ConsentRegistry", "Granted"),
            ("Claims", "AttemptRefuted"),
            ("Payouts", "ReviewRevealed"),
            ("StakeVault", "Burnt"),
            ("ModelMarket", "ModelRegistered"),
        ],
    )
    def test_dropped(self, forger, code, event):
        path = forger.sealed(forger.told(without(event)))
        assert code(path) in (WRONG, DAMAGED)
        assert code(path, "--block-hash", forger.manifest.block_hash) == WRONG

    def test_dropped_under_true_headers(self, forger, code):
        assert code(forger.unsealed(forger.told(without(("Payouts", "Claimed"))))) == DAMAGED

    def test_dropped_with_their_blocks_receipts(self, forger, code, played):
        """The bloom says that there was something; what was paid is in storage."""
        receipts = forger.receipts()
        del receipts[played.block_of("Claimed", study=played.study)]
        assert code(forger.unsealed(receipts)) == WRONG

    def test_a_payout_of_another_amount(self, forger, code):
        def more(logs):
            for log in logs:
                if log[1][0] == topic("Payouts", "Claimed"):
                    log[2] = log[2][:-1] + bytes([log[2][-1] ^ 1])
            return logs

        assert code(forger.sealed(forger.told(more))) == WRONG
        assert code(forger.unsealed(forger.told(more))) == DAMAGED

    def test_a_payout_to_somebody_else(self, forger, code):
        def stolen(logs):
            for log in logs:
                if log[1][0] == topic("Payouts", "Claimed"):
                    log[2] = bytes(12) + b"\7" * 20 + log[2][32:]
            return logs

        assert code(forger.sealed(forger.told(stolen))) == WRONG

    def test_a_payout_told_twice(self, forger, code):
        def twice(logs):
            return [
                log
                for each in logs
                for log in [each] * (2 if each[1][0] == topic("Payouts", "Claimed") else 1)
            ]

        assert code(forger.sealed(forger.told(twice))) == WRONG

    def test_reordered(self, forger, code, played):
        """The claim that was proved wrong changes places with the one that became final."""
        first, second = (event.block for event in played.world.index.events("AttemptMade", round=2))
        receipts = swapped(forger.receipts(), first, second)
        assert code(forger.sealed(receipts)) == WRONG
        assert code(forger.unsealed(receipts)) == DAMAGED

    def test_a_dispute_that_never_was(self, forger, code):
        """Each trace of the claim that was proved wrong."""
        traces = without(("Claims", "AttemptRefuted"), ("Claims", "AttemptSettled"))
        assert code(forger.sealed(forger.told(traces))) == WRONG

    def test_an_administration_without_its_history(self, forger, code):
        """Roles given and taken are in no storage that tells all: the true hash alone says that they are left out."""
        receipts = forger.told(without(("AccessManager", "RoleGranted")))
        assert code(forger.unsealed(receipts)) == DAMAGED
        assert code(forger.sealed(receipts), "--block-hash", forger.manifest.block_hash) == WRONG


class TestFiles:
    def test_a_word_of_an_update_with_all_cids_made_anew(self, forger, code, played):
        """Bytes and event agree with each other, and not with the commitment in storage."""
        cid = cid_from_digest(played.world.round(played.study, 1).updates[0].cid)
        with forger.opened() as store:
            data = bytearray(store.get(cid, 1 << 30))
        data[-1] ^= 1
        changed = bytes(data)

        def renamed(logs):
            return [
                [address, topics, text.replace(digest_of(cid), digest_of(cid_of(changed)))]
                for address, topics, text in logs
            ]

        path = forger.write(files=lambda kept: [changed, *(each for each in kept if each != cid)])
        assert code(path) == UNPROVED  # the event names a file that is not there
        assert code(path, "--allow-unproved") == UNPROVED
        again = type(forger)(path, forger.folder / "empty")
        assert code(again.sealed(again.told(renamed))) == WRONG

    def test_another_final_model(self, forger, code, played):
        """It has another name: the one that the study made is missing, which is told, and is no verdict."""
        cid = cid_from_digest(played.world.round(played.study, 2).result.model)
        path = forger.write(files=lambda kept: [b"a better model", *(each for each in kept if each != cid)])
        assert code(path) == UNPROVED
        assert code(path, "--allow-unproved") == UNPROVED, "a file is missing, and no proof"


class TestTheChain:
    def test_another_study_than_the_proofs_are_of(self, forger, code, played):
        path = forger.write(manifest={"study": int(played.other)})
        assert code(path) == UNPROVED
        assert code(path, "--study", played.study) == INPUT

    def test_another_chain(self, forger, code):
        assert code(forger.write(manifest={"chain_id": 1})) == ELSEWHERE

    @pytest.mark.parametrize("at", [0, 1, -2, -1])
    def test_a_changed_header(self, forger, code, at):
        headers = forger.headers()
        fields = list(rlp.decode(headers[at]))
        fields[12] = b"elsewhere"
        headers[at] = rlp.encode(fields)
        assert code(forger.write(headers=b"".join(headers))) == DAMAGED

    def test_another_state_under_the_newest_block(self, forger, code):
        """A state root of the forger's own: none of the true proofs leads down from it."""
        *before, last = forger.headers()
        fields = list(rlp.decode(last))
        fields[3] = b"\7" * 32
        newest = rlp.encode(fields)
        path = forger.write(
            headers=b"".join([*before, newest]), manifest={"block_hash": f"0x{keccak(newest).hex()}"}
        )
        assert code(path) == UNPROVED

    @pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
    def test_dropped_proofs(self, forger, code, left):
        nodes = rlp.decode(forger.part("proofs"))
        assert code(forger.write(proofs=rlp.encode(nodes[: int(len(nodes) * left)]))) == UNPROVED

    def test_gaps_between_headers(self, forger, code):
        """Blocks left out, of which nobody knows what was in them."""
        headers = forger.headers()
        with_events = forger.receipts().keys()
        first = int(rlp.to_number(rlp.decode(headers[0])[8]))
        empty = next(at for at in range(2, len(headers)) if first + at not in with_events)
        path = forger.write(headers=b"".join([*headers[:empty], *headers[empty + 1 :]]))
        assert code(path) == UNPROVED
        assert code(path, "--allow-unproved") == RIGHT

    def test_a_start_that_is_cut_off(self, forger, code, played):
        """Without what was done before: not proved with the proofs of the whole, and wrong with those of its own."""
        first = played.block_of("HospitalAdmitted") - 1
        headers = [raw for raw in forger.headers() if rlp.to_number(rlp.decode(raw)[8]) >= first]
        receipts = b"".join(
            raw for item, raw in rlp.items(forger.part("receipts")) if rlp.to_number(item[0]) >= first
        )
        cut = {"headers": b"".join(headers), "receipts": receipts}
        assert code(forger.write(**cut)) == UNPROVED
        places = follow(played.world.client, played.world.contracts.rounds.address).values()
        older = played.world.client.witness([], sorted(places), played.world.client.block(first))
        proofs = sorted({*rlp.decode(forger.part("proofs")), *older})
        assert code(forger.write(**cut, proofs=rlp.encode(proofs))) == WRONG

    def test_an_invented_chain_under_the_true_newest_header(self, forger, code, played, monkeypatch):
        """Its answers are the forger's word; the true header on top of it holds none of them."""
        client = played.world.client
        monkeypatch.setattr(client, "witness", lambda *asked: ChainClient.witness(client, *asked))
        told = forger.folder / "told.medfed"
        export_bundle(played.world.federation(), played.study, told, LIMITS)
        assert code(told) == UNPROVED
        assert code(told, "--allow-unproved") == RIGHT
        true = client.headers([client.mine(5).number])[0]
        again = type(forger)(told, forger.folder / "empty")
        newest = client.head()
        place = {
            "block": newest.number,
            "block_hash": f"0x{newest.hash.hex()}",
            "block_time": newest.timestamp,
        }
        path = again.write(headers=again.part("headers") + true, manifest=place)
        assert code(path, "--block-hash", place["block_hash"]) == UNPROVED

    def test_few_headers_of_a_long_chain(self, code, played, tmp_path):
        path = tmp_path / "few.medfed"
        export_bundle(played.world.federation(), played.study, path, Limits(1 << 40, 0.0, 5))
        assert code(path) == UNPROVED


def test_answers_beside_proofs(forger, code):
    """Nobody would look at them: a bundle has no room for what it does not need."""
    answers = rlp.encode([[b"", b"\7" * 20, b"", b"whatever"]])
    assert code(forger.write(answers=answers)) == DAMAGED


class TestTheRoot:
    @pytest.mark.parametrize(
        "name", ["ConsentRegistry", "Studies", "AccessManager", "ModelMarket", "SumRule"]
    )
    def test_a_root_that_is_another_contract(self, forger, code, played, name):
        address = played.world.contracts.book.contracts[name].address
        assert code(forger.write(manifest={"rounds": address})) in (ELSEWHERE, UNPROVED)

    def test_no_root(self, forger, code):
        assert code(forger.write(manifest={"rounds": NO_ACCOUNT})) in (ELSEWHERE, UNPROVED)

    def test_another_root_or_hash_than_the_readers_is_a_difference(self, honest, forger, typed, played):
        """In one sentence that names both; what is no hash is said to be none."""
        other = played.world.contracts.studies.address
        answer = typed("verify", "--bundle", honest, "--rounds", other)
        assert (answer.code, other in answer.sentence, forger.manifest.rounds in answer.sentence) == (
            1,
            True,
            True,
        )
        answer = typed("verify", "--bundle", honest, "--block-hash", "0x" + "07" * 32)
        assert (answer.code, forger.manifest.block_hash in answer.sentence) == (1, True)
        assert typed("verify", "--bundle", honest, "--block-hash", "0x07").code == INPUT

    def test_a_second_registry_in_an_answer_without_proof(self, forger, code, played, monkeypatch):
        """The forger's word that the root names it: consistent at most."""
        client = played.world.client
        monkeypatch.setattr(client, "witness", lambda *asked: ChainClient.witness(client, *asked))
        told = forger.folder / "told.medfed"
        export_bundle(played.world.federation(), played.study, told, LIMITS)
        again = type(forger)(told, forger.folder / "empty")
        book = played.world.contracts.book.contracts
        registry, stranger = bytes.fromhex(book["ConsentRegistry"].address[2:]), b"\7" * 20
        answers = again.part("answers").replace(registry, stranger)
        assert code(again.write(answers=answers)) != RIGHT


def test_a_recorder_holds_what_it_is_asked(played, code, forger):
    """A recording of nothing but headers proves nothing."""
    client, newest = played.world.client, played.world.client.head()
    recorder = Recorder(client, newest)
    assert code(forger.record(recorder.recording([], 0, 1 << 20))) == UNPROVED
