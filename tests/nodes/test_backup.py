"""Backups: what is in them, that they are of one moment while a daemon works, and the way back."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import stat
import tarfile
import threading

import pytest

from medfed.chain.encryption import load_encryption_key
from medfed.chain.keys import load_keystore
from medfed.config import load_hospital
from medfed.errors import ConfigError, InputError, IntegrityError
from medfed.nodes.backup import back_up, restore
from medfed.nodes.holds import hold
from medfed.nodes.journal import check_log
from medfed.nodes.policy import approve
from medfed.types import RoundNumber
from tests.nodes.federation import PASSWORD

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def working(world, three):
    """A hospital that has submitted and not published yet, with an approval and a hold."""
    study = world.opened(*three, rounds=1)
    world.run(*three)
    member = world.members[0]
    approve(member.home / "approvals.json", world.study(study), "Dr. Weber", "EK 1")
    hold(member.home / "holds.json", 99, RoundNumber(1))
    return member, study


def files(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


class TestTheWayBack:
    def test_everything_that_must_survive_comes_back(self, working, tmp_path):
        """Keystore, keys, secret, register, journals, approvals, holds, audit log, work: the same bytes, private."""
        member, _ = working
        archive = back_up(member.file, member.home, tmp_path)
        found = restore(archive, tmp_path / "new")
        back = files(tmp_path / "new")
        for name in ("hospital.toml", "operator.json", "encryption.json", "secret.hex", "patients.csv"):
            assert back[name].read_bytes() == (member.folder / name).read_bytes()
        for name in ("approvals.json", "holds.json", "audit.jsonl"):
            assert back[f"state/{name}"].read_bytes() == (member.home / name).read_bytes()
        work = {name: path for name, path in back.items() if name.startswith("state/work/")}
        assert {name.rsplit("/", 1)[1] for name in work} == {"update.bin", "update.json", "manifest.bin"}
        assert all(path.read_bytes() == (member.folder / name).read_bytes() for name, path in work.items())
        assert found.files == len(back)
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in back.values())
        folders = [path for path in (tmp_path / "new").rglob("*") if path.is_dir()]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in [tmp_path / "new", *folders])
        assert stat.S_IMODE(archive.stat().st_mode) == 0o600

    def test_what_is_not_in_it_is_named(self, working, tmp_path):
        """Records and password have keepers of their own; the index is read anew."""
        member, _ = working
        found = restore(back_up(member.file, member.home, tmp_path), tmp_path / "new")
        assert found.needed.keys() == {"records", "password_file"}
        names = set(files(tmp_path / "new"))
        assert not names & {"records.csv", "password.txt"}
        assert not [name for name in names if "index" in name]

    def test_the_restored_hospital_goes_on(self, world, three, working, tmp_path):
        """The old machine is gone: its round is published and attested from the new one, to the end."""
        member, study = working
        archive = back_up(member.file, member.home, tmp_path / "saved.tar")
        kept = {name: (member.folder / name).read_bytes() for name in ("records.csv", "password.txt")}
        shutil.rmtree(member.folder)
        restore(archive, member.folder)
        for name, data in kept.items():
            (member.folder / name).write_bytes(data)
        config = load_hospital(member.file)
        assert load_keystore(config.keystore, PASSWORD).address == member.operator.address
        load_encryption_key(config.encryption_key, PASSWORD)
        three[0] = world.hospital(member)
        world.run(*three, cycles=3)
        assert world.round(study, 1).attested == 7
        assert check_log(member.home / "audit.jsonl").lines > 2

    def test_files_elsewhere(self, working, tmp_path):
        """A keystore that hospital.toml names by an absolute path comes back too, and a person is told where."""
        member, _ = working
        (tmp_path / "keys").mkdir()
        (member.folder / "operator.json").rename(tmp_path / "keys" / "op.json")
        text = member.file.read_text().replace('"operator.json"', f'"{tmp_path}/keys/op.json"')
        member.file.write_text(text)
        found = restore(back_up(member.file, member.home, tmp_path), tmp_path / "new")
        assert found.settings.keys() == {"keystore"}
        (tmp_path / "keys" / "op.json").rename(tmp_path / "old.json")
        back = load_keystore(tmp_path / "new" / "outside" / "keystore-op.json", PASSWORD)
        assert found.settings["keystore"] == str(tmp_path / "new" / "outside" / "keystore-op.json")
        assert back.address == member.operator.address


class TestWhileTheDaemonRuns:
    def test_each_commitment_has_its_bytes(self, world, three, tmp_path):
        """Backups without a pause while three rounds run: whatever a journal has signed, the work is in the archive."""
        study = world.opened(*three, rounds=3)
        member, stop, made, failed = world.members[0], threading.Event(), [], []

        def keep_backing_up():
            while not stop.is_set():
                try:
                    made.append(back_up(member.file, member.home, tmp_path / f"{len(made)}.tar"))
                except Exception as exc:  # noqa: BLE001 - shown below
                    failed.append(exc)

        thread = threading.Thread(target=keep_backing_up)
        thread.start()
        world.run(*three, cycles=10)
        stop.set()
        thread.join()
        assert not failed
        assert world.study(study).ended == "completed"
        for number, archive in enumerate(made):
            place = tmp_path / f"back-{number}"
            restore(archive, place)
            journal = next((place / "state" / "sent").glob("*.sqlite"))
            with sqlite3.connect(journal) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                submits = db.execute("SELECT count(*) FROM entries WHERE label LIKE '%ubmit%'").fetchone()[0]
            stored = list((place / "state" / "work").glob("*/*/*/update.json"))
            assert len(stored) >= submits
            if (place / "state" / "audit.jsonl").exists():
                check_log(place / "state" / "audit.jsonl")

    def test_a_line_that_is_being_written_is_left_out(self, working, tmp_path):
        member, _ = working
        with (member.home / "audit.jsonl").open("ab") as log:
            log.write(b'{"half')
        restore(back_up(member.file, member.home, tmp_path), tmp_path / "new")
        check_log(tmp_path / "new" / "state" / "audit.jsonl")


class TestRefusals:
    @pytest.fixture
    def archive(self, working, tmp_path):
        member, _ = working
        return back_up(member.file, member.home, tmp_path / "backup.tar")

    def test_a_backup_never_overwrites(self, working, archive):
        before = archive.read_bytes()
        member, _ = working
        with pytest.raises(InputError, match="never overwrites"):
            back_up(member.file, member.home, archive)
        assert archive.read_bytes() == before

    def test_restoring_never_overwrites(self, archive, tmp_path):
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "hospital.toml").write_text("mine")
        for place in (tmp_path / "full", tmp_path / "full" / "hospital.toml"):
            with pytest.raises(InputError, match="is not empty"):
                restore(archive, place)
        assert (tmp_path / "full" / "hospital.toml").read_text() == "mine"
        (tmp_path / "empty").mkdir()
        assert restore(archive, tmp_path / "empty").files

    def test_one_wrong_bit_restores_nothing(self, archive, tmp_path):
        """In the middle of each member, and in the list of digests."""
        data = archive.read_bytes()
        with tarfile.open(archive) as tar:
            members = [(member.name, member.offset_data + member.size // 2) for member in tar if member.size]
        assert len(members) > 8
        for name, spot in members:
            damaged = bytearray(data)
            damaged[spot] ^= 1
            archive.write_bytes(damaged)
            with pytest.raises(IntegrityError):
                restore(archive, tmp_path / "new")
            assert not (tmp_path / "new").exists(), name
        assert not list(tmp_path.glob(".restore-*"))

    @pytest.mark.parametrize("part", [0, 0.3, 0.6])
    def test_a_part_of_an_archive(self, archive, tmp_path, part):
        data = archive.read_bytes()
        archive.write_bytes(data[: int(part * len(data))])
        with pytest.raises(IntegrityError, match=r"no complete backup|damaged at"):
            restore(archive, tmp_path / "new")
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "state/../../outside.txt"])
    def test_a_member_with_a_place_outside(self, archive, tmp_path, name):
        """An archive from elsewhere writes nothing outside the new directory."""
        with tarfile.open(archive, "a") as tar:
            tar.addfile(tarfile.TarInfo(name))
        with pytest.raises(IntegrityError):
            restore(archive, tmp_path / "deep" / "new")
        assert not list(tmp_path.rglob("outside.txt"))

    def test_a_link_is_no_file(self, archive, tmp_path):
        link = tarfile.TarInfo("state/link")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        with tarfile.open(archive, "a") as tar:
            tar.addfile(link)
        with pytest.raises(IntegrityError):
            restore(archive, tmp_path / "new")

    def test_another_format(self, archive, tmp_path):
        """A newer version's archive is not half understood."""
        with tarfile.open(archive) as tar:
            listed = json.load(tar.extractfile("list.json"))
        changed = json.dumps(listed | {"format": 2}).encode()
        with tarfile.open(tmp_path / "next.tar", "w") as tar:
            info = tarfile.TarInfo("list.json")
            info.size = len(changed)
            tar.addfile(info, io.BytesIO(changed))
        with pytest.raises(IntegrityError, match="has format 2"):
            restore(tmp_path / "next.tar", tmp_path / "new")

    def test_a_file_that_is_not_there(self, working, tmp_path):
        member, _ = working
        with pytest.raises(ConfigError, match="was not restored"):
            restore(tmp_path / "none.tar", tmp_path / "new")
        (member.folder / "secret.hex").unlink()
        with pytest.raises(ConfigError, match=r"secret\.hex: No such file"):
            back_up(member.file, member.home, tmp_path / "x.tar")
        assert not list(tmp_path.glob("*x.tar*"))
