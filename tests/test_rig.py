"""The rig itself: a test chain that lies makes every other test worthless."""

from __future__ import annotations

import pytest

from tests.rig.evm import GENESIS_TIME, Evm, Revert


@pytest.fixture
def manager(evm: Evm):
    return evm.deploy("AccessManager", evm.actors[0])


def test_send_changes_state_and_restore_undoes_it(evm, manager):
    """A snapshot holds state, block number and time, and can be restored more than once."""
    token = evm.snapshot()
    for _ in range(2):
        evm.travel(10)
        receipt = manager.grantRole(7, evm.actors[1], 0)
        assert receipt.named("RoleGranted")[0]["since"] == GENESIS_TIME + 10
        assert manager.hasRole(7, evm.actors[1]).isMember
        evm.restore(token)
        assert not manager.hasRole(7, evm.actors[1]).isMember
        assert evm.now == GENESIS_TIME


def test_reverts_names_error_and_values(evm, manager):
    """The helper passes on exactly the named error with exactly the given values."""
    stranger = evm.actors[3]
    with evm.reverts("AccessManagerUnauthorizedAccount", stranger, 0):
        manager.grantRole(7, stranger, 0, sender=stranger)
    with pytest.raises(AssertionError), evm.reverts("AccessManagerUnauthorizedAccount", stranger, 1):
        manager.grantRole(7, stranger, 0, sender=stranger)
    with pytest.raises(AssertionError), evm.reverts("AccessManagerLockedRole"):
        manager.grantRole(7, stranger, 0)


def test_a_failed_transaction_leaves_nothing(evm, manager):
    """After a revert the root, the nonce and the next address are those from before."""
    before = evm.snapshot(), evm.next_address(evm.actors[3])
    with pytest.raises(Revert):
        manager.grantRole(7, evm.actors[3], 0, sender=evm.actors[3])
    assert before == (evm.snapshot(), evm.next_address(evm.actors[3]))


def test_contracts_may_send_without_a_key(evm, manager):
    """Any address can stand as the sender, as contract wallets have no key."""
    receipt = evm.send(evm.actors[1], b"", sender=manager)
    assert receipt.gas_used == 21_000


def test_next_address_is_where_the_contract_lands(evm):
    """Precomputed addresses match, for the next transaction and for one further ahead."""
    first, second = evm.next_address(), evm.next_address(ahead=1)
    assert evm.deploy("AccessManager", evm.actors[0]).address == first
    assert evm.deploy("AccessManager", evm.actors[0]).address == second


def test_anvil_answers_with_the_latest_rules(anvil):
    """The shared Anvil runs, and enforces the gas limit of a transaction that came after Prague."""
    assert int(anvil.rpc("eth_chainId"), 16) == 31337
    block = anvil.rpc("eth_getBlockByNumber", "latest", False)
    assert "requestsHash" in block
