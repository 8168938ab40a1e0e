"""Private files: only the owner reads them, a crash leaves no part of one."""

from __future__ import annotations

import os
import stat

import pytest

from medfed.data.private_file import load_or_create_secret, read_private, write_private
from medfed.errors import ConfigError


def test_written_with_mode_0600_and_read_back(tmp_path):
    path = tmp_path / "file"
    write_private(path, b"one")
    write_private(path, b"two")
    assert read_private(path) == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_refuses_a_file_that_others_may_use(tmp_path, mode):
    path = tmp_path / "file"
    write_private(path, b"secret")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_private(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    """Power lost before the bytes are on the disk: the old content is still there, and nothing else."""
    path = tmp_path / "file"
    write_private(path, b"old")

    def no_disk(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_disk)
    with pytest.raises(ConfigError, match="No space left"):
        write_private(path, b"new")
    assert read_private(path) == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_missing_file_or_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match="absent"):
        read_private(tmp_path / "absent")
    with pytest.raises(ConfigError, match="absent"):
        write_private(tmp_path / "absent" / "file", b"")


def test_a_secret_is_drawn_once(tmp_path):
    first = load_or_create_secret(tmp_path / "one")
    assert load_or_create_secret(tmp_path / "one") == first
    assert len(first) == 32
    assert load_or_create_secret(tmp_path / "two") != first


@pytest.mark.parametrize("content", [b"", b"ab\n", b"zz" * 32, b"\xff" * 64, b"ab" * 33])
def test_refuses_a_damaged_secret(tmp_path, content):
    """A new one in its place would silently break every commitment made with the old one."""
    path = tmp_path / "secret"
    write_private(path, content)
    with pytest.raises(ConfigError, match="backup"):
        load_or_create_secret(path)
    assert read_private(path) == content
