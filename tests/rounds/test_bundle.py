"""A bundle stands for itself: the audit says the same without node and store, and no byte of it can be another."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.chain import rlp
from medfed.chain.administration import acts, contract_facts
from medfed.chain.client import ChainClient
from medfed.errors import (
    ContentMissing,
    InputError,
    IntegrityError,
    MedFedError,
    NotProved,
    ProtocolError,
)
from medfed.protocol.cid import cid_from_digest
from medfed.rounds import bundle
from medfed.rounds.audit import audit_study
from medfed.rounds.bundle import Limits, export_bundle, open_bundle
from medfed.rounds.disclose import disclosure
from medfed.storage.car import CarStore, export_car, import_car
from medfed.storage.local import LocalStore
from medfed.types import StudyId
from tests.cli.conftest import Terminal
from tests.nodes.federation import deploy
from tests.storage.test_car import bounded

LIMITS = Limits(1 << 40, 0.0, 1 << 20)


@pytest.fixture(scope="module")
def file(ended, tmp_path_factory) -> Path:
    """The bundle of the ended study."""
    path = tmp_path_factory.mktemp("bundle") / "study.medfed"
    export_bundle(ended.federation, ended.study, path, LIMITS)
    return path


@pytest.fixture
def opened(file):
    with contextlib.closing(open_bundle(file, max_bytes=LIMITS.max_bytes)) as found:
        yield found


@pytest.fixture
def typed(tmp_path) -> Terminal:
    """A terminal in an empty folder: no settings, no keys, no store."""
    (tmp_path / "elsewhere").mkdir()
    return Terminal(tmp_path / "elsewhere")


def parts(report):
    """What two audits of the same study have to agree on: all but whom they had to believe."""
    return replace(report, unchecked=report.unchecked[:-1])


class TestARightBundle:
    def test_is_right_as_the_chain_is(self, ended, opened):
        """Check by check the same verdict, with everything proved."""
        report = audit_study(opened.federation, opened.study)
        assert report.proved
        assert parts(report) == parts(audit_study(ended.federation, ended.study))
        standing = opened.standing
        assert (standing.gaps, standing.uncertain, standing.proved) == (0, 0, True)

    def test_names_the_hash_on_which_it_hangs(self, ended, opened):
        assert opened.newest == ended.world.client.block(opened.newest.number)
        report = audit_study(opened.federation, opened.study)
        assert report.unchecked[-1].endswith(f"has to have the hash 0x{opened.newest.hash.hex()}")

    def test_is_checked_with_disclosures(self, ended, opened):
        """As in the audit of a chain, and a disclosure of another study is refused."""
        world = ended.world
        hospital = world.hospital(world.members[0])
        history = world.study(ended.study)
        shown = disclosure(ended.federation, history, history.enrolment(hospital.id), hospital.holdings)
        report = audit_study(opened.federation, opened.study, (shown,))
        assert report.ok
        told = [text for entry in report.rounds for text in entry.unchecked]
        assert not any("seat 0: needs its disclosure" in text for text in told)
        with pytest.raises(InputError, match="proves nothing"):
            audit_study(opened.federation, opened.study, (shown.model_copy(update={"study": 77}),))

    def test_has_the_same_bytes_each_time(self, ended, file, tmp_path):
        """At the same block, whatever the index and the store objects are."""
        export_bundle(ended.world.federation(), ended.study, tmp_path / "again.medfed", LIMITS)
        assert (tmp_path / "again.medfed").read_bytes() == file.read_bytes()

    def test_can_be_imported_into_a_store(self, file, tmp_path, ended):
        """It is a CAR file like any other, with the study's artefacts in it."""
        store = LocalStore(tmp_path / "store")
        import_car(store, file, max_bytes=LIMITS.max_bytes)
        update = ended.world.round(ended.study, 1).updates[0]
        assert store.has(cid_from_digest(update.cid))

    def test_does_not_need_all_headers(self, ended, tmp_path):
        """Of a long chain only the blocks with events: right as well, and the verdict tells what is less sure."""
        path = tmp_path / "few.medfed"
        done = export_bundle(ended.federation, ended.study, path, Limits(1 << 40, 0.0, 5))
        with contextlib.closing(open_bundle(path, max_bytes=1 << 40)) as opened:
            report = audit_study(opened.federation, opened.study)
            assert (report.ok, report.proved) == (True, False)
            assert opened.standing == done.standing
            assert opened.standing.gaps > 0

    def test_without_proofs_is_as_recorded(self, ended, tmp_path, monkeypatch):
        """A node that gives none: the audit goes as far, the standing says what it rests on, and answers bind."""
        client = ended.world.client
        monkeypatch.setattr(client, "witness", lambda *asked: ChainClient.witness(client, *asked))
        path = tmp_path / "unproved.medfed"
        export_bundle(ended.federation, ended.study, path, LIMITS)
        with contextlib.closing(open_bundle(path, max_bytes=1 << 40)) as opened:
            report = audit_study(opened.federation, opened.study)
            assert (report.ok, report.proved) == (True, False)
            assert not opened.standing.proved


class TestAdministration:
    def test_tells_all_acts_in_order(self, world, tmp_path):
        """Roles, tokens, admissions, a suspension and its end, a pause and its end, by their blocks and times."""
        study, contracts = world.post(), world.contracts
        hospital = world.members[0].id
        for call in (
            contracts.consortium.suspend(hospital),
            contracts.consortium.reinstate(hospital),
            contracts.vault.pause(),
            contracts.vault.unpause(),
        ):
            world.send(world.consortium, call)
        export_bundle(world.federation(), study, tmp_path / "acts.medfed", LIMITS)
        with contextlib.closing(open_bundle(tmp_path / "acts.medfed", max_bytes=1 << 40)) as opened:
            found = acts(opened.federation.index)
        assert [act.name for act in found[-4:]] == [
            *("HospitalSuspended", "HospitalReinstated", "Paused", "Unpaused")
        ]
        assert found[-4].values == {"hospital": hospital}
        granted = {act.values["role_id"] for act in found if act.name == "RoleGranted"}
        assert granted == {"ADMIN", "CONSORTIUM", "PAUSER"}
        asked = {act.values["selector"] for act in found if act.name == "TargetFunctionRoleUpdated"}
        assert {"admit", "suspend", "pause", "allowToken"} <= asked
        assert [act.values["allowed"] for act in found if act.name == "TokenAllowed"] == [True]
        assert [act.block for act in found] == sorted(act.block for act in found)
        assert all(act.time == world.client.block(act.block).timestamp for act in found)

    def test_tells_code_and_parameters(self, ended, opened):
        """Of every contract, as it is at the block."""
        found = {entry.name: entry for entry in contract_facts(opened.federation.contracts, opened.newest)}
        assert found.keys() == ended.world.contracts.book.contracts.keys() - {"SumRule", "DevelopmentToken"}
        assert all(entry.as_compiled for entry in found.values())
        studies = found["Studies"]
        assert studies.parameters["SLASH_BPS"] == ended.world.contracts.studies.slash_bps()
        assert studies.parameters["VAULT"] == found["StakeVault"].address
        assert len({entry.code_hash for entry in found.values()}) == len(found)
        told = found["AccessManager"].parameters
        assert (told["ModelMarket.setTerms asks for"], told["StakeVault is"]) == ("CONSORTIUM", "open")


def forged(ended, path, **changes):
    """A bundle made anew with another recording."""
    original = bundle._documents
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            bundle, "_documents", lambda recording, *rest: original(replace(recording, **changes), *rest)
        )
        export_bundle(ended.federation, ended.study, path, LIMITS)
    return path


@pytest.mark.parametrize("name", ["contested", "undone"])
def test_a_contested_study_is_judged_offline_as_it_is_online(name, request, tmp_path):
    """Claims, proofs, slashes, reviews and sales: the same verdict, check by check, from the file alone."""
    played, path = request.getfixturevalue(name), tmp_path / "contested.medfed"
    export_bundle(played.federation, played.study, path, LIMITS)
    online = audit_study(played.federation, played.study)
    assert online.ok
    with contextlib.closing(open_bundle(path, max_bytes=1 << 40)) as opened:
        offline = audit_study(opened.federation, opened.study)
    assert (offline.ok, offline.rounds, offline.checks) == (online.ok, online.rounds, online.checks)


class TestAWrongBundle:
    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(place=st.integers(0, 1 << 40), bit=st.integers(0, 7))
    def test_one_flipped_bit_makes_it_unreadable(self, file, tmp_path, place, bit):
        """Anywhere; in one sentence."""
        changed = bytearray(file.read_bytes())
        changed[place % len(changed)] ^= 1 << bit
        (tmp_path / "flipped.medfed").write_bytes(changed)
        with pytest.raises(MedFedError) as refused:
            open_bundle(tmp_path / "flipped.medfed", max_bytes=LIMITS.max_bytes)
        assert "\n" not in str(refused.value)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(length=st.integers(0, 1 << 40))
    def test_cut_short_is_refused(self, file, tmp_path, length):
        data = file.read_bytes()
        (tmp_path / "short.medfed").write_bytes(data[: length % len(data)])
        with pytest.raises(ProtocolError):
            open_bundle(tmp_path / "short.medfed", max_bytes=LIMITS.max_bytes)

    def test_with_another_newest_hash_is_refused(self, ended, tmp_path):
        """A manifest that names the hash of the real chain, over headers of another one."""
        newest = replace(ended.world.client.head(), hash=b"\x07" * 32)
        path = forged(ended, tmp_path / "forged.medfed", newest=newest)
        with pytest.raises(ProtocolError, match="last header is not that of block"):
            open_bundle(path, max_bytes=1 << 40)

    def test_with_receipts_of_its_own_is_refused(self, ended, tmp_path):
        """Every CID is right, and the header's root is not theirs."""
        number = ended.world.index.events("RoundFinal", study=ended.study)[0].block
        receipts = rlp.encode([rlp.number(number), ended.world.client.block_receipts(number - 1)])
        path = forged(ended, tmp_path / "forged.medfed", receipts=receipts)
        with pytest.raises(ProtocolError, match=f"receipts of block {number} do not add up"):
            open_bundle(path, max_bytes=1 << 40)

    def test_without_the_receipts_of_some_blocks_is_never_right(self, ended, tmp_path):
        """Left-out events: the standing counts the blocks, and the contracts' storage bears the audit's facts out."""
        path = tmp_path / "right.medfed"
        export_bundle(ended.federation, ended.study, path, LIMITS)
        with contextlib.closing(open_bundle(path, max_bytes=1 << 40)) as right:
            recording = right.federation.client._recording
        claims = {event.block for event in ended.world.index.events("Claimed", study=ended.study)}
        kept = [raw for item, raw in rlp.items(recording.receipts) if rlp.to_number(item[0]) not in claims]
        path = forged(ended, tmp_path / "forged.medfed", receipts=b"".join(kept))
        with contextlib.closing(open_bundle(path, max_bytes=1 << 40)) as opened:
            assert opened.standing.uncertain == len(claims)
            assert not audit_study(opened.federation, opened.study).ok

    def test_without_its_proofs_is_one_sentence(self, ended, tmp_path):
        """Neither right nor wrong: there is nothing to look at."""
        path = forged(ended, tmp_path / "forged.medfed", proofs=rlp.encode([]))
        with pytest.raises(NotProved, match=r"does not hold the code at .* export it anew"):
            open_bundle(path, max_bytes=1 << 40)

    def test_a_part_that_is_much_longer_than_the_file(self, ended, tmp_path):
        """Forty million items of one byte, whose blocks are all the same: not read at all."""
        answers = rlp._prefix(40_000_000, 0xC0) + bytes(40_000_000)
        path = forged(ended, tmp_path / "forged.medfed", answers=answers)
        assert path.stat().st_size < 3 << 20
        with bounded(seconds=10, mebibytes=64), pytest.raises(IntegrityError, match="are allowed here"):
            open_bundle(path, max_bytes=1 << 40)

    @pytest.mark.parametrize("part", ["headers", "receipts", "proofs", "answers"])
    def test_a_part_of_nothing_but_empty_lists(self, ended, tmp_path, part):
        """Each would take sixty times its byte; what is no answer, receipt or header is refused where it begins."""
        noise = bytes(random.Random(3).choices(b"\xc0\x80\x01", k=1 << 18))
        path = forged(ended, tmp_path / "forged.medfed", **{part: rlp._prefix(len(noise), 0xC0) + noise})
        with bounded(seconds=20, mebibytes=24), pytest.raises(ProtocolError):
            open_bundle(path, max_bytes=1 << 40)

    def test_any_other_car_file_is_no_bundle(self, ended, tmp_path):
        path = tmp_path / "study.car"
        export_car(ended.world.store, sorted(ended.world.store.pins())[:3], path, max_bytes=1 << 40)
        with pytest.raises(ProtocolError, match="is a CAR file, but no bundle of this version"):
            open_bundle(path, max_bytes=1 << 40)
        export_car(ended.world.store, [], path, max_bytes=1 << 40)
        with pytest.raises(ProtocolError, match="no bundle of this version"):
            open_bundle(path, max_bytes=1 << 40)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"chain_id": 77}, "was made on another chain than 77"),
            ({"rounds": "0x" + "00" * 20}, "has no proof of the code at|has other code than this version"),
            ({"rounds": "nowhere"}, "no bundle of this version"),
            ({"headers": "no CID"}, "is no CIDv1"),
            (
                {"proofs": "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"},
                "The file does not hold",
            ),
        ],
    )
    def test_with_another_manifest_is_refused(self, file, tmp_path, change, sentence):
        """Chain, addresses, parts: each is checked where it is used."""
        with contextlib.closing(CarStore(file, max_bytes=1 << 40)) as store:
            manifest = bundle.BundleManifest.from_bytes(store.get(store.roots[0], 1 << 20))
            documents = [manifest.model_copy(update=change).to_bytes()]
            export_car(store, store.roots[1:], tmp_path / "x", max_bytes=1 << 40, documents=documents)
        with pytest.raises(MedFedError, match=sentence):
            open_bundle(tmp_path / "x", max_bytes=1 << 40)

    def test_a_missing_artefact_is_refused_or_told(self, ended, tmp_path):
        """By default there is no bundle; one without it is not right, and has the file's CID in its verdict."""
        cid = cid_from_digest(ended.world.round(ended.study, 1).updates[0].cid)
        place = next((ended.world.folder / "store" / "objects").glob(f"*/{cid}"))
        data, path = place.read_bytes(), tmp_path / "less.medfed"
        place.unlink()
        try:
            with pytest.raises(ContentMissing, match=cid):
                export_bundle(ended.federation, ended.study, path, LIMITS)
            assert not path.exists()
            done = export_bundle(ended.federation, ended.study, path, LIMITS, skip_missing=True)
        finally:
            place.write_bytes(data)
        assert done.missing == (cid,)
        with contextlib.closing(open_bundle(path, max_bytes=1 << 40)) as opened:
            report = audit_study(opened.federation, opened.study)
        assert not report.ok
        assert cid in report.missing

    def test_an_unknown_study_has_none(self, ended, tmp_path):
        with pytest.raises(InputError, match="There is no study 4711"):
            export_bundle(ended.federation, StudyId(4711), tmp_path / "none.medfed", LIMITS)
        assert list(tmp_path.iterdir()) == []


class TestCommands:
    def test_verify_needs_an_empty_folder_and_the_file(self, file, typed, opened):
        """The hash, the addresses, the administration and the verdict are all told, and as JSON."""
        told = typed.ok("verify", "--bundle", file, "--verbose")
        assert f"0x{opened.newest.hash.hex()}" in told.out
        assert "Everything that can be checked is right." in told.out
        assert all(word in told.out for word in ("HospitalAdmitted", "RoleGranted", "SLASH_BPS", "compare"))
        data = typed.data("verify", "--bundle", file)
        assert data["ok"]
        facts = data["bundle"]
        assert (facts["block"], facts["block_hash"]) == (
            opened.newest.number,
            f"0x{opened.newest.hash.hex()}",
        )
        assert facts["standing"]["proved"]
        assert {"RoleGranted", "TokenAllowed"} <= {act["name"] for act in facts["administration"]}
        assert {holder["role"] for holder in facts["holders"]} == {"ADMIN", "CONSORTIUM", "PAUSER"}
        assert all(entry["as_compiled"] for entry in facts["contracts"])
        assert list(typed.folder.iterdir()) == []

    def test_verify_refuses_the_bundle_of_another_study(self, file, typed, ended):
        answer = typed("verify", "--bundle", file, "--study", ended.study + 1)
        assert answer.code == 2
        assert (
            answer.sentence == f"{file} is the bundle of study {ended.study}, not of study {ended.study + 1}."
        )
        assert typed("verify", "--bundle", file, "--study", ended.study).code == 0

    def test_verify_asks_for_a_study_or_a_bundle(self, typed):
        answer = typed("verify")
        assert (answer.code, answer.sentence) == (
            2,
            "Name the study with --study, or a bundle with --bundle.",
        )

    def test_verify_names_a_file_that_is_none(self, typed):
        (typed.folder / "note.txt").write_text("hello")
        for name, code in (("absent", 2), ("note.txt", 3)):
            answer = typed("verify", "--bundle", name)
            assert (answer.code, "\n" in answer.sentence) == (code, False)

    @pytest.fixture
    def live(self, anvil, tmp_path):
        """A study that nobody has joined, on Anvil, and a terminal with settings for it."""
        ground = deploy(tmp_path, anvil.url)
        world = ground.world(tmp_path, 1)
        study = world.post()
        terminal = Terminal(tmp_path)
        (tmp_path / "medfed.toml").write_text(
            f'rpc = "{anvil.url}"\nstore = "local:store"\nstate_dir = "."\nconfirmations = 0\n',
            encoding="utf-8",
        )
        return terminal, study

    def test_export_writes_what_verify_checks(self, live, typed):
        """On Anvil too, where everything is proved as well; twice the same bytes."""
        terminal, study = live
        told = terminal.ok("study", "export", study, "one.medfed")
        data = terminal.data("study", "export", study, "two.medfed")
        one, two = (terminal.folder / name for name in ("one.medfed", "two.medfed"))
        assert one.read_bytes() == two.read_bytes()
        assert data["newest"]["hash"] in told.out
        assert data["standing"] == data["standing"] | {"gaps": 0, "uncertain": 0, "proved": True}
        found = typed.data("verify", "--bundle", one)
        assert (found["ok"], found["state"]) == (True, "enrolling")
        assert found["bundle"]["block_hash"] == data["newest"]["hash"]

    def test_an_export_that_is_killed_leaves_no_bundle(self, live):
        """At any of its writes; the next one is whole."""
        terminal, study = live
        for number in (1, 3, 5):
            script = KILLED.format(number=number, arguments=["study", "export", str(study), "killed.medfed"])
            done = subprocess.run([sys.executable, "-c", script], cwd=terminal.folder, capture_output=True)
            assert done.returncode == -signal.SIGKILL, done.stderr
            assert not (terminal.folder / "killed.medfed").exists()
        terminal.ok("study", "export", study, "killed.medfed")
        terminal.ok("verify", "--bundle", "killed.medfed")


KILLED = """
import os, signal, sys
from medfed.storage import car

write, left = car._write_section, iter(range({number} - 1))

def killing(*given):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    write(*given)

car._write_section = killing
from medfed.cli import main
sys.argv = ["medfed", *{arguments}]
main()
"""
