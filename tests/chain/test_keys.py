"""Keystores, signatures and patients' accounts."""

from __future__ import annotations

import json
import stat

import pytest
from eth_account import Account as Reference
from eth_account.hdaccount import HDPath
from hypothesis import given
from hypothesis import strategies as st

from medfed.chain.calls import Call, Transaction
from medfed.chain.keys import (
    account_from_key,
    create_keystore,
    development_account,
    load_keystore,
    new_account,
    patient_account,
    read_password,
    save_keystore,
    signer_of,
)
from medfed.errors import ConfigError, InputError, KeystoreError


class TestKeystore:
    def test_round_trip(self, tmp_path):
        """What was encrypted opens with its password, and any wallet can open it."""
        path = tmp_path / "keys" / "operator.json"
        account = create_keystore(path, "correct horse", trial=True)
        assert load_keystore(path, "correct horse").address == account.address
        assert (
            Reference.from_key(Reference.decrypt(json.loads(path.read_text()), "correct horse")).address
            == account.address
        )

    def test_default_strength(self, tmp_path):
        """A real keystore costs an attacker scrypt with 128 MiB and 2^17 steps for each guess."""
        path = tmp_path / "operator.json"
        account = create_keystore(path, "correct horse")
        parameters = json.loads(path.read_text())["crypto"]["kdfparams"]
        assert (parameters["n"], parameters["r"]) == (1 << 17, 8)
        assert load_keystore(path, "correct horse").address == account.address

    def test_only_the_owner_reads_it(self, tmp_path):
        """The file is closed to group and others from its first moment."""
        path = tmp_path / "operator.json"
        create_keystore(path, "pass", trial=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_wrong_password(self, tmp_path):
        """The message names the file and never the password."""
        path = tmp_path / "operator.json"
        create_keystore(path, "right", trial=True)
        with pytest.raises(KeystoreError, match=f"password does not open the keystore {path}") as caught:
            load_keystore(path, "hunter2")
        assert "hunter2" not in str(caught.value)

    def test_never_overwritten(self, tmp_path):
        """A key that exists is not replaced by another."""
        path = tmp_path / "operator.json"
        create_keystore(path, "pass", trial=True)
        before = path.read_bytes()
        with pytest.raises(KeystoreError, match="exists already"):
            create_keystore(path, "pass", trial=True)
        assert path.read_bytes() == before

    def test_empty_password(self, tmp_path):
        """A key is never stored in the clear in all but name."""
        with pytest.raises(KeystoreError, match="not empty"):
            save_keystore(tmp_path / "k.json", new_account(), "")

    @pytest.mark.parametrize(
        "content", ["", "{}", "[]", "not json", '{"crypto": {}, "version": 3}', '{"crypto": 5}']
    )
    def test_damaged(self, tmp_path, content):
        """A damaged file is named as one."""
        path = tmp_path / "operator.json"
        path.write_text(content)
        with pytest.raises(KeystoreError, match=r"operator\.json"):
            load_keystore(path, "pass")

    def test_missing(self, tmp_path):
        """A missing file is named with what to do."""
        with pytest.raises(KeystoreError, match="no keystore at"):
            load_keystore(tmp_path / "none.json", "pass")

    def test_development_account_is_kept(self, tmp_path):
        """The key of a development chain is the same at the next start."""
        assert development_account(tmp_path, "a").address == development_account(tmp_path, "a").address
        assert development_account(tmp_path, "a").address != development_account(tmp_path, "b").address


class TestPassword:
    def test_first_line(self, tmp_path):
        """The first line without its end; inner and outer blanks belong to the password."""
        file = tmp_path / "pass"
        file.write_text(" a b \nsecond\n")
        assert read_password(file) == " a b "

    @pytest.mark.parametrize("content", ["", "\n", "\nsecret"])
    def test_empty(self, tmp_path, content):
        """An empty first line is refused."""
        file = tmp_path / "pass"
        file.write_text(content)
        with pytest.raises(ConfigError, match="is empty"):
            read_password(file)

    def test_missing(self, tmp_path):
        """A missing file is named."""
        with pytest.raises(ConfigError, match="cannot be read"):
            read_password(tmp_path / "none")


class TestAccount:
    def test_never_shows_its_key(self):
        """Neither `repr` nor `str` nor its attributes' names carry the key."""
        key = bytes(range(1, 33))
        account = account_from_key(key)
        assert key.hex() not in repr(account) + str(account) + repr(vars(type(account)))
        assert repr(account) == f"Account({account.address})"

    @pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32, b"\x01" * 31, b""])
    def test_no_private_key(self, key):
        """Zero, too large, too short: refused without showing what was given."""
        with pytest.raises(InputError, match="no private key") as caught:
            account_from_key(key)
        assert key.hex() not in str(caught.value) or not key

    @given(st.binary(min_size=32, max_size=32))
    def test_digest_signature_equals_reference(self, digest):
        """The 65 bytes are those of eth-account, deterministic and with a low s."""
        account = account_from_key(b"\x07" * 32)
        wanted = Reference.unsafe_sign_hash(digest, b"\x07" * 32).signature
        assert account.sign_digest(digest) == bytes(wanted) == account.sign_digest(digest)

    def test_digest_of_other_length(self):
        """Only 32 bytes are a digest."""
        with pytest.raises(InputError, match="has 32 bytes, not 31"):
            new_account().sign_digest(bytes(31))

    def test_transaction_signature(self):
        """The raw bytes are what eth-account makes, and their sender is the account."""
        account = account_from_key(b"\x07" * 32)
        call = Call(account.address, b"\x01\x02", value=5, label="x")
        raw, tx_hash = account.sign(Transaction(call, 31337, 3, 50_000, 10, 2))
        assert Reference.recover_transaction(raw) == account.address
        from eth_utils import keccak

        assert keccak(raw) == tx_hash


class TestSigner:
    """Who signed a digest, as contracts see it."""

    DIGEST = bytes(range(32))

    @given(st.binary(min_size=32, max_size=32))
    def test_is_the_account_that_signed(self, digest):
        account = new_account()
        assert signer_of(digest, account.sign_digest(digest)) == account.address

    def test_another_digest_gives_another(self):
        account = new_account()
        assert signer_of(bytes(32), account.sign_digest(self.DIGEST)) != account.address

    @pytest.mark.parametrize(
        "change",
        [
            lambda signature: signature[:64],
            lambda signature: signature + b"\0",
            lambda signature: signature[:64] + bytes([signature[64] - 27]),
            lambda signature: bytes(65),
            lambda signature: b"\xff" * 64 + signature[64:],
        ],
    )
    def test_what_is_no_signature_is_nobodys(self, change):
        assert signer_of(self.DIGEST, change(new_account().sign_digest(self.DIGEST))) is None

    def test_the_other_form_of_a_signature_is_nobodys(self):
        """With a high s anybody could make a second form of it; contracts take neither."""
        order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
        signature = new_account().sign_digest(self.DIGEST)
        high = (order - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
        assert signer_of(self.DIGEST, signature[:32] + high + bytes([55 - signature[64]])) is None


class TestPatients:
    @given(st.binary(min_size=16, max_size=64), st.integers(0, 2**31 - 1))
    def test_equals_bip32(self, seed, index):
        """Derivation equals eth-account's over all hardened paths m/44'/60'/index'."""
        wanted = Reference.from_key(HDPath(f"m/44'/60'/{index}'").derive(seed)).address
        assert patient_account(seed, index).address == wanted

    def test_accounts_differ(self):
        """A fresh account for each dataset."""
        seed = bytes(range(32))
        assert len({patient_account(seed, index).address for index in range(50)}) == 50

    @pytest.mark.parametrize(
        ("seed", "index"), [(bytes(15), 0), (bytes(65), 0), (bytes(32), -1), (bytes(32), 2**31)]
    )
    def test_bounds(self, seed, index):
        """Seeds and indices outside BIP-32's range are refused."""
        with pytest.raises(InputError):
            patient_account(seed, index)
