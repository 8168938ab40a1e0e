"""Files are whole or not at all, whatever ends the process, and keep their rights and links."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medfed import durable

# Every call that `writing` makes to the system, in order; a process that is killed at the n-th is played below.
STEPS = ("open", "fsync", "replace", "fsync")
KILLED = """
import os, sys
from pathlib import Path
from medfed import durable
left = [int(sys.argv[2])]
def counted(call):
    def step(*args, **more):
        if not left[0]:
            os._exit(9)
        left[0] -= 1
        return call(*args, **more)
    return step
os.open, os.fsync, os.replace = counted(os.open), counted(os.fsync), counted(os.replace)
Path.replace = lambda self, target: os.replace(self, target)
durable.write(Path(sys.argv[1]), b"new " * 5000)
"""


@pytest.mark.parametrize("step", range(len(STEPS) + 1))
def test_a_kill_leaves_the_old_file_or_the_new(tmp_path, step):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(step)])
    replaced = step > STEPS.index("replace")
    assert path.read_bytes() == (b"new " * 5000 if replaced else b"old")
    assert done.returncode in (0, 9)


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    durable.write(path, "old")
    with pytest.raises(RuntimeError, match="in the middle"):
        _interrupted(path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    durable.write(path, "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        durable.write(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_nobody_else_reads_a_private_file_while_it_is_written(tmp_path):
    os.umask(os.umask(0o022))
    with durable.writing(tmp_path / "secret", mode=durable.PRIVATE) as file:
        file.write(b"key")
        (part,) = tmp_path.iterdir()
        assert part.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_rights_are_kept(tmp_path):
    """A settings file that its owner closed to others is not opened by a command that adds a line."""
    path = tmp_path / "hospital.toml"
    durable.write(path, "a")
    path.chmod(0o640)
    durable.write(path, "b")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    durable.write(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_link_that_leads_nowhere_is_filled(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "later")
    durable.write(link, "new")
    assert (tmp_path / "later").read_text() == "new"


def test_a_pipe_takes_the_bytes(tmp_path):
    """`--html /dev/stdout` prints."""
    code = (
        "from pathlib import Path; from medfed import durable; durable.write(Path('/dev/stdout'), 'printed')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "printed"


class TestNew:
    def test_it_never_overwrites(self, tmp_path):
        path = tmp_path / "file"
        durable.write(path, "first", new=True)
        with pytest.raises(FileExistsError):
            durable.write(path, "second", new=True)
        assert path.read_text() == "first"

    def test_not_even_what_appears_meanwhile(self, tmp_path):
        path = tmp_path / "file"
        with pytest.raises(FileExistsError):
            _overtaken(path)
        assert path.read_text() == "fast"
        assert [each.name for each in tmp_path.iterdir()] == ["file"]

    def test_a_disk_without_hard_links_will_do(self, tmp_path, monkeypatch):
        def none(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr(Path, "hardlink_to", none)
        durable.write(tmp_path / "file", "first", new=True)
        assert (tmp_path / "file").read_text() == "first"


def test_a_folder_moves_whole(tmp_path):
    (tmp_path / "part").mkdir()
    durable.write(tmp_path / "part" / "file", "x")
    (tmp_path / "home").mkdir()
    durable.move(tmp_path / "part", tmp_path / "home" / "whole")
    assert (tmp_path / "home" / "whole" / "file").read_text() == "x"
    assert not (tmp_path / "part").exists()


def _interrupted(path):
    with durable.writing(path) as file:
        file.write(b"half")
        raise RuntimeError("in the middle")


def _overtaken(path):
    with durable.writing(path, new=True) as file:
        file.write(b"slow")
        path.write_text("fast")
