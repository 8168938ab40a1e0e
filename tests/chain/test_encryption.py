"""A hospital's encryption key: a real X25519 key in a file that only its password opens."""

from __future__ import annotations

import json
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from medfed.chain.encryption import create_encryption_key, load_encryption_key, published_key
from medfed.chain.keys import create_keystore
from medfed.cli.run import keystore_address
from medfed.errors import InputError, KeystoreError


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "encryption.json"
    return path, create_encryption_key(path, "pass", trial=True)


def test_two_hospitals_agree(made, tmp_path):
    """What each computes from its own file and the other's published bytes is the same secret."""
    path, here = made
    other = create_encryption_key(tmp_path / "other.json", "pass", trial=True)
    again = load_encryption_key(path, "pass")
    shared = again.private.exchange(X25519PublicKey.from_public_bytes(other.public))
    assert shared == other.private.exchange(X25519PublicKey.from_public_bytes(here.public))


def test_the_file_hides_the_private_half(made):
    path, key = made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.private.private_bytes_raw().hex() not in path.read_text() + repr(key)
    with pytest.raises(KeystoreError, match="password does not open"):
        load_encryption_key(path, "other")


def test_the_public_half_needs_no_password(made):
    path, key = made
    assert published_key(str(path)) == published_key(key.public.hex()) == key.public
    assert published_key("0x" + key.public.hex()) == key.public


def test_it_is_never_taken_for_an_account(made, tmp_path):
    """Nor an account's keystore for an encryption key."""
    with pytest.raises(KeystoreError, match="no account's keystore"):
        keystore_address(made[0])
    create_keystore(tmp_path / "operator.json", "pass", trial=True)
    with pytest.raises(KeystoreError, match="holds no encryption key"):
        published_key(str(tmp_path / "operator.json"))


def test_a_file_that_was_changed(made):
    """A public half that does not belong to the private one is noticed."""
    path, _ = made
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"x25519": "11" * 32}))
    with pytest.raises(KeystoreError, match="another public key"):
        load_encryption_key(path, "pass")


@pytest.mark.parametrize("text", ["", "00" * 32, "ab" * 31, "zz" * 32, "no-such-file"])
def test_no_key(text):
    with pytest.raises(InputError, match="neither the 64 hexadecimal digits"):
        published_key(text)


def test_never_overwritten(made):
    with pytest.raises(KeystoreError, match="exists already"):
        create_encryption_key(made[0], "pass", trial=True)
