"""Manifests, files of signed consents, cards and registers as an enemy would write them: one sentence each, and nothing kept."""

from __future__ import annotations

import json
import struct

import pytest

from medfed.chain.addresses import read_book
from medfed.chain.consent_file import read_signed, write_signed
from medfed.chain.contracts.consents import SignedMessage
from medfed.chain.keys import read_keystore
from medfed.cli.cards import read_card
from medfed.cli.pledges import read_pledge
from medfed.data.patients import load_register
from medfed.data.private_file import write_private
from medfed.errors import ConfigError, DataError, InputError, MedFedError, ProtocolError
from medfed.protocol.leaves import Use
from medfed.protocol.manifest import CohortManifest, manifest_size
from medfed.protocol.typed import RevokeMessage, consent_domain
from medfed.types import Address, DatasetId, RoundNumber, StudyId

PLACE = Use(31_337, Address("0x" + "11" * 20), StudyId(3), RoundNumber(2), DatasetId(7))
CARD = {
    "format": "medfed/card/2",
    "dataset": 1,
    "patient": "0x" + "11" * 20,
    "link_secret": "0x" + "00" * 32,
}
LEAVES = b"".join(sorted(bytes([number]) * 32 for number in range(1, 17)))


def manifest(leaves=LEAVES):
    return CohortManifest.of(PLACE, leaves).to_bytes()


class TestManifests:
    def test_of_another_round_study_or_dataset(self):
        shown = CohortManifest.from_bytes(manifest())
        for place in ((4, 2, 7), (3, 1, 7), (3, 2, 8)):
            with pytest.raises(ProtocolError, match="not of study"):
                shown.check_place(*place)

    def test_one_patient_listed_twice(self):
        with pytest.raises(ProtocolError):
            manifest(LEAVES + LEAVES[-32:])

    def test_leaves_out_of_order(self):
        """A patient looks for theirs where it would stand."""
        with pytest.raises(ProtocolError):
            manifest(LEAVES[32:] + LEAVES[:32])

    def test_more_leaves_than_a_weight_fills(self):
        shown = CohortManifest.from_bytes(manifest())
        shown.check_weight(16, 16)
        for weight, step in ((15, 16), (32, 16), (0, 16), (16, 5)):
            with pytest.raises(ProtocolError):
                shown.check_weight(weight, step)

    @pytest.mark.parametrize("count", [0, 1, 15, 17, 2**32 - 1])
    def test_another_count_than_it_has(self, count):
        data = manifest()
        with pytest.raises(ProtocolError):
            CohortManifest.from_bytes(data[:-4] + struct.pack(">I", count))

    @pytest.mark.parametrize("cut", [1, 31, 32, 33, len(LEAVES)])
    def test_cut_short(self, cut):
        with pytest.raises(ProtocolError):
            CohortManifest.from_bytes(manifest()[:-cut])

    def test_longer_than_any_cohort(self):
        """Refused by its length, before a leaf is looked at."""
        with pytest.raises(ProtocolError):
            CohortManifest.from_bytes(bytes(manifest_size((1 << 20) + 16)))


def signed_file(tmp_path, **changes):
    """A good file with some values of its one message replaced."""
    path = tmp_path / "file.consent"
    domain = consent_domain(31_337, Address("0x" + "11" * 20))
    message = RevokeMessage(Address("0x" + "22" * 20), DatasetId(1), 1_800_000_000)
    write_signed(path, domain, [SignedMessage(message, bytes(65))])
    said = json.loads(path.read_text())
    said["consents"][0]["terms"] |= changes
    path.write_text(json.dumps(said))
    return path


class TestSignedFiles:
    @pytest.mark.parametrize(
        "changes",
        [
            {"issued_at": -1},
            {"issued_at": 2**32},
            {"issued_at": 1e400},
            {"issued_at": None},
            {"issued_at": [[]]},
            {"dataset_id": "٣٤x"},
            {"dataset_id": 2**256},
            {"patient": "0x" + "22" * 19},
            {"patient": 7},
        ],
    )
    def test_values_that_nobody_signs(self, tmp_path, changes):
        with pytest.raises(InputError, match="consent 1"):
            read_signed(signed_file(tmp_path, **changes))

    @pytest.mark.parametrize("place", ["terms", "message", "domain"])
    @pytest.mark.parametrize("spelling", [str.lower, str.upper])
    def test_an_address_in_any_spelling_is_the_same(self, tmp_path, place, spelling):
        """And one whose capitals are no right checksum is named."""
        path, who = tmp_path / "file.consent", Address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
        message = RevokeMessage(who, DatasetId(1), 1_800_000_000)
        write_signed(path, consent_domain(31_337, who), [SignedMessage(message, bytes(65))])
        before, text = read_signed(path), path.read_text()
        said = json.loads(text)
        [entry] = said["consents"]
        held = {
            "terms": entry["terms"],
            "message": entry["data"]["message"],
            "domain": entry["data"]["domain"],
        }
        name = "verifyingContract" if place == "domain" else "patient"
        held[place][name] = "0x" + spelling(who[2:])
        path.write_text(json.dumps(said))
        assert read_signed(path) == before
        wrong = who.replace("5aA", "5aa")
        held[place][name] = wrong
        path.write_text(json.dumps(said))
        with pytest.raises(
            InputError, match=f"names the address {wrong}, whose capitals are no right checksum"
        ):
            read_signed(path)

    def test_a_file_that_shows_other_terms_than_it_has(self, tmp_path):
        """Who reads what is signed and who brings it to the chain must see the same."""
        path = signed_file(tmp_path)
        said = json.loads(path.read_text())
        said["consents"][0]["data"]["message"]["datasetId"] = 2
        path.write_text(json.dumps(said))
        with pytest.raises(InputError, match="shows other terms than it has"):
            read_signed(path)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "null",
            "[]",
            '{"format": "medfed/consents/2"}',
            "[" * 100_000,
            '{"format": "medfed/consents/2", "consents": 5}',
            "\ufeff{}",
        ],
    )
    def test_files_that_are_none(self, tmp_path, text):
        path = tmp_path / "file.consent"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=str(path)):
            read_signed(path)

    def test_not_even_text(self, tmp_path):
        path = tmp_path / "file.consent"
        path.write_bytes(b"\xff\xfe\x00" * 50)
        with pytest.raises(InputError):
            read_signed(path)

    def test_a_folder(self, tmp_path):
        with pytest.raises(InputError):
            read_signed(tmp_path)


class TestCardsAndRegisters:
    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"format": "medfed/card/2"},
            CARD | {"patient": "0x1"},
            *(CARD | {"dataset": dataset} for dataset in (0, -1, 1 << 32, 1.0, True, "1", None)),
            [1],
            None,
        ],
    )
    def test_cards_that_are_none(self, tmp_path, said):
        write_private(tmp_path / "card", json.dumps(said).encode())
        with pytest.raises(InputError, match="card"):
            read_card(tmp_path / "card")

    def test_brackets_without_end_end_no_process(self, tmp_path):
        """The parser recurses on the C stack, and the libraries of the chain lift the limit that would stop it."""
        import medfed.chain.embedded  # noqa: F401 - lifts it

        write_private(tmp_path / "deep", b"[" * 1_000_000)
        for read in (read_card, read_signed, read_pledge, read_keystore, read_book):
            with pytest.raises(MedFedError):
                read(tmp_path / "deep")

    def test_a_card_that_others_can_read(self, tmp_path):
        """Its secret tells whose leaf is whose: it is refused, not used."""
        (tmp_path / "card").write_text(json.dumps(CARD))
        (tmp_path / "card").chmod(0o644)
        with pytest.raises(ConfigError):
            read_card(tmp_path / "card")

    def test_two_patients_under_one_secret(self, tmp_path):
        """One could be told to be the other."""
        secret = "0x" + "ab" * 32
        rows = [f"r{number},0x{number:040x},{secret}" for number in (1, 2)]
        write_private(tmp_path / "register", "\n".join(["record_id,patient,link_secret", *rows]).encode())
        with pytest.raises(DataError, match="share a link secret"):
            load_register(tmp_path / "register")

    @pytest.mark.parametrize(
        "row",
        [
            "r1,0x11,0x22",
            "r1",
            ",0x" + "11" * 20 + ",0x" + "ab" * 32,
            "r1,0x" + "11" * 20 + ",0x" + "ab" * 31 + "\x00\x00",
        ],
    )
    def test_rows_that_are_none(self, tmp_path, row):
        write_private(tmp_path / "register", f"record_id,patient,link_secret\n{row}\n".encode())
        with pytest.raises(MedFedError):
            load_register(tmp_path / "register")
