"""`medfed store`: a study carried to another store in one file, and what a store keeps."""

from __future__ import annotations

import shutil

import pytest

from medfed.storage import open_store
from tests.cli.course import on_chain
from tests.rig.kubo import start_kubo

FILES_OF_A_STUDY = 2 + 2 * (3 * 2 + 2)
"""Spec and initial model; in each of two rounds three updates with their manifests, the sum, the next model."""


@pytest.fixture
def car(medfed, finished, tmp_path):
    """The finished study as a file."""
    file = tmp_path / "study.car"
    medfed.ok("store", "export", finished, file)
    return file


@pytest.fixture
def elsewhere(tmp_path):
    """The setting of an empty store."""
    return {"MEDFED_STORE": f"local:{tmp_path / 'elsewhere'}"}


@pytest.fixture
def lossy(medfed, tmp_path):
    """The setting of a copy of the store, and a way to delete files from it."""
    shutil.copytree(medfed.folder / "store", tmp_path / "lossy")

    def lose(cid):
        next((tmp_path / "lossy" / "objects").glob(f"*/{cid}")).unlink()

    return {"MEDFED_STORE": f"local:{tmp_path / 'lossy'}"}, lose


class TestExportAndImport:
    def test_an_audit_needs_nothing_but_the_file(self, medfed, finished, car, elsewhere):
        """The study verifies in a store that was empty before; without the file it does not."""
        assert medfed("verify", "--study", finished, **elsewhere).code == 75
        imported = medfed.ok("store", "import", car, "--json", **elsewhere).data
        assert len(imported["files"]) == FILES_OF_A_STUDY
        report = medfed.ok("verify", "--study", finished, "--json", **elsewhere).data
        assert report["difference"] == ""
        assert [entry["state"] for entry in report["rounds"]] == ["final", "final"]
        assert not any(
            "not in this store" in text for entry in report["rounds"] for text in entry["unchecked"]
        )

    def test_what_is_said(self, medfed, finished, tmp_path, elsewhere):
        file = tmp_path / "said.car"
        said = medfed.ok("store", "export", finished, file).out
        assert f"holds {FILES_OF_A_STUDY} files of study {finished}." in " ".join(said.split())
        said = medfed.ok("store", "import", file, **elsewhere).out
        assert f"{FILES_OF_A_STUDY} files of" in said
        data = medfed.data("store", "export", finished, file)
        assert (data["study"], data["file"], data["missing"]) == (finished, str(file), [])
        assert len(data["files"]) == FILES_OF_A_STUDY
        assert data["blocks"] >= FILES_OF_A_STUDY

    def test_imported_files_are_pinned(self, medfed, car, elsewhere):
        files = medfed.ok("store", "import", car, "--json", **elsewhere).data["files"]
        listed = medfed.ok("store", "list", "--json", **elsewhere).data
        assert [entry["cid"] for entry in listed] == sorted(files)
        assert medfed.ok("store", "collect", "--json", **elsewhere).data["deleted"] == 0

    def test_what_a_study_needs_is_not_collected_unasked(self, medfed, finished, car, elsewhere):
        """The studies are named; a file that no study needs goes without a word."""
        files = medfed.ok("store", "import", car, "--json", **elsewhere).data["files"]
        store = open_store(elsewhere["MEDFED_STORE"])
        stray = store.put(b"stray", pin=False)
        assert medfed.ok("store", "collect", "--json", **elsewhere).data["deleted"] == 1
        assert not store.has(stray)
        store.unpin(files[2])
        answer = medfed("store", "collect", **elsewhere)
        assert (answer.code, store.has(files[2])) == (2, True)
        assert f"from this store any more: {finished} (kept until 20" in answer.sentence
        store.unpin(files[0])
        assert f"{finished} (kept for good)" in medfed("store", "collect", **elsewhere).sentence
        assert medfed.ok("store", "collect", "--force", "--json", **elsewhere).data["deleted"] == 2

    def test_what_a_hospital_lets_go_is_collected(self, medfed, finished, car, elsewhere, tmp_path):
        """A settled study's updates go unasked where the hospital made a bundle, or keeps them no longer; its spec never does."""
        hospital = ("--hospital", "hospital-1/hospital.toml", "--home", tmp_path / "home")
        files = medfed.ok("store", "import", car, "--json", **elsewhere).data["files"]
        store = open_store(elsewhere["MEDFED_STORE"])
        left = medfed.data("study", "show", finished)["settled_at"] - on_chain(medfed).client.head().timestamp
        if left > 0:
            early = medfed("hospital", "bundle", finished, tmp_path / "bundle", *hospital)
            assert (early.code, (tmp_path / "bundle").exists()) == (2, False)
            medfed.ok("dev", "travel", left + 1)
        store.unpin(files[2])
        assert medfed("store", "collect", *hospital, **elsewhere).code == 2
        medfed.ok("hospital", "bundle", finished, tmp_path / "bundle", *hospital)
        assert medfed("store", "collect", **elsewhere).code == 2
        assert medfed.ok("store", "collect", *hospital, "--json", **elsewhere).data["deleted"] == 1
        store.unpin(files[0])
        answer = medfed("store", "collect", *hospital, **elsewhere)
        assert f"{finished} (kept for good)" in answer.sentence

    def test_a_lost_spec_makes_nothing_needless(self, medfed, finished, car, elsewhere):
        """Others may have it, and without it which updates are the study's is known all the same."""
        files = medfed.ok("store", "import", car, "--json", **elsewhere).data["files"]
        store = open_store(elsewhere["MEDFED_STORE"])
        for cid in (files[0], files[2]):
            store.unpin(cid)
        store.collect({files[0]})
        answer = medfed("store", "collect", **elsewhere)
        assert (answer.code, store.has(files[2])) == (2, True)

    def test_a_missing_file_is_named(self, medfed, finished, tmp_path, lossy):
        setting, lose = lossy
        cid = medfed.data("store", "export", finished, tmp_path / "whole.car")["files"][3]
        lose(cid)
        answer = medfed("store", "export", finished, tmp_path / "study.car", "--wait", 0, **setting)
        assert answer.code == 75
        assert cid in answer.sentence
        assert not (tmp_path / "study.car").exists()

    def test_a_missing_file_may_be_left_out(self, medfed, finished, tmp_path, lossy, elsewhere):
        setting, lose = lossy
        wanted = medfed.data("store", "export", finished, tmp_path / "whole.car")["files"]
        lose(wanted[3])
        options = ["--wait", 0, "--skip-missing", "--json"]
        data = medfed.ok("store", "export", finished, tmp_path / "study.car", *options, **setting).data
        assert data["missing"] == [wanted[3]]
        assert data["files"] == [cid for cid in wanted if cid != wanted[3]]
        imported = medfed.ok("store", "import", tmp_path / "study.car", "--json", **elsewhere).data
        assert imported["files"] == data["files"]

    def test_a_damaged_file_is_refused_and_nothing_imported(self, medfed, car, elsewhere):
        whole = car.read_bytes()
        car.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        answer = medfed("store", "import", car, **elsewhere)
        assert answer.code == 3
        assert "other bytes than its CID says" in answer.sentence
        assert medfed.ok("store", "list", "--json", **elsewhere).data == []

    def test_no_car_file(self, medfed, tmp_path, elsewhere):
        (tmp_path / "letter").write_text("Dear colleagues")
        answer = medfed("store", "import", tmp_path / "letter", **elsewhere)
        assert answer.code == 3
        assert "CAR file" in answer.sentence
        answer = medfed("store", "import", tmp_path / "nothing", **elsewhere)
        assert answer.code == 2
        assert "nothing cannot be imported: No such file" in answer.sentence

    def test_an_unknown_study(self, medfed, finished, tmp_path):
        answer = medfed("store", "export", 999, tmp_path / "study.car")
        assert answer.code == 2
        assert "999" in answer.sentence
        assert list(tmp_path.iterdir()) == []


class TestListAndCollect:
    """These need no chain: the setting names a port where none answers."""

    @pytest.fixture
    def alone(self, elsewhere):
        return {**elsewhere, "MEDFED_RPC": "http://127.0.0.1:9"}

    @pytest.fixture
    def store(self, alone):
        return open_store(alone["MEDFED_STORE"])

    def test_list_shows_pins_with_their_sizes(self, medfed, alone, store):
        sizes = {store.put(bytes(size)): size for size in (0, 1, 123_456)}
        store.put(b"loose", pin=False)
        listed = medfed.ok("store", "list", "--json", **alone).data
        assert {entry["cid"]: entry["bytes"] for entry in listed} == sizes
        said = medfed.ok("store", "list", **(alone | {"COLUMNS": "100"})).out
        assert all(cid in said for cid in sizes)
        assert "123,456" in said
        assert "3 files, 123,457 bytes" in said

    def test_list_tells_of_a_pin_without_its_file(self, medfed, tmp_path, alone, store):
        cid = store.put(b"file")
        next((tmp_path / "elsewhere" / "objects").glob("*/*")).unlink()
        assert medfed.ok("store", "list", "--json", **alone).data == [{"cid": cid, "bytes": None}]
        assert "missing" in medfed.ok("store", "list", **(alone | {"COLUMNS": "100"})).out

    def test_collect_deletes_what_is_not_pinned(self, medfed, alone, store):
        kept, loose = store.put(b"kept"), store.put(b"loose", pin=False)
        answer = medfed("store", "collect", **alone)
        assert (answer.code, store.has(loose)) == (2, True)
        assert "which studies need them only the chain tells" in answer.sentence
        assert (
            "1 files were not pinned and are deleted" in medfed.ok("store", "collect", "--force", **alone).out
        )
        assert store.has(kept)
        assert not store.has(loose)

    def test_a_store_that_cannot_be_used(self, medfed, tmp_path, alone):
        (tmp_path / "file").touch()
        for command in (["list"], ["collect"]):
            answer = medfed("store", *command, **(alone | {"MEDFED_STORE": f"local:{tmp_path / 'file'}"}))
            assert answer.code == 75
            assert "file cannot be used" in answer.sentence

    def test_a_daemon_that_does_not_answer(self, medfed, alone):
        answer = medfed("store", "list", **(alone | {"MEDFED_STORE": "kubo:http://127.0.0.1:9"}))
        assert answer.code == 75
        assert "cannot be reached" in answer.sentence


@pytest.mark.kubo
def test_a_daemon_is_a_store_like_another(medfed, finished, car, tmp_path):
    """Imported into Kubo, listed, verified and exported again: the same file."""
    with start_kubo(tmp_path) as daemon:
        setting = {"MEDFED_STORE": f"kubo:{daemon.url}"}
        files = medfed.ok("store", "import", car, "--json", **setting).data["files"]
        listed = medfed.ok("store", "list", "--json", **setting).data
        assert [entry["cid"] for entry in listed] == sorted(files)
        assert all(entry["bytes"] > 0 for entry in listed)
        assert medfed("verify", "--study", finished, **setting).code == 0
        medfed.ok("store", "export", finished, tmp_path / "back.car", **setting)
        assert (tmp_path / "back.car").read_bytes() == car.read_bytes()
        answer = medfed("store", "collect", **setting)
        assert answer.code == 2
        assert "run `ipfs repo gc`" in answer.sentence
