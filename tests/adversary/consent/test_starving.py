"""Gas as a weapon: a relayer that is mean with it must not make a good signature look bad, nor one item starve another."""

from __future__ import annotations

import pytest

from medfed.protocol import typed
from medfed.protocol.consent import Details
from medfed.protocol.purposes import Purpose, is_defined
from tests.adversary.consent.wallets import GREEDY, put_code
from tests.rig.evm import CHAIN_ID, Revert

MOST = sum(1 << bit for bit in range(32) if is_defined(1 << bit)) & ~int(Purpose.NRES | Purpose.MDS)
"""The consent with the longest words."""
DETAILS = Details(2015, 2020, b"\7" * 28)
DAY = 60_000


@pytest.fixture
def longest(world):
    """The longest title and name, which nobody has signed under yet."""
    world.datasets.giveTitle(1, "T" * 64, sender=world.operators[0])
    world.consortium.giveName(world.hospitals[0], "N" * 64, sender=world.admin)
    world.evm.travel(5)
    return world


def item(world, patient, signature=b"\1" * 65):
    now = world.evm.now
    return patient, 1, MOST, DAY, DETAILS.packed(), now, now + 60, signature


def signed(world, who):
    now, said = world.evm.now, (DETAILS.data_from, DETAILS.data_until, DETAILS.form)
    words = world.datasets.describe(1)[0]
    message = typed.GrantMessage(who.address, 1, MOST, DAY, *said, now, now + 60, words)
    domain = typed.consent_domain(CHAIN_ID, world.consents.address)
    return item(world, who.address, who.sign_digest(typed.digest(domain, message)))


def told(world, items, *, gas):
    """What becomes of a batch with so much gas; nothing of it is kept."""
    token = world.evm.snapshot()
    try:
        return {event.name for event in world.consents.grantBatch(items, gas=gas).events}
    except Revert as error:
        return {error.name}
    finally:
        world.evm.restore(token)


@pytest.mark.parametrize("gas", [505_000, 527_000, 535_000, 560_000])
def test_first_words_of_a_plain_account(longest, gas):
    """It has to pay for all the words, of the dataset and of the longest list of purposes."""
    assert told(longest, [signed(longest, longest.evm.actors[80])], gas=gas) <= {"Granted", "InsufficientGas"}


@pytest.mark.parametrize(
    "gas",
    [
        530_000,
        550_000,
        600_000,
        700_000,
        900_000,
    ],
)
def test_first_words_of_a_wallet_that_takes_its_cap(longest, gas):
    """A wallet may use WALLET_GAS; what is left behind first words and it has to keep the consent."""
    wallet = put_code(longest.evm, GREEDY)
    assert told(longest, [item(longest, wallet)], gas=gas) <= {"Granted", "InsufficientGas"}


def test_one_that_burns_does_not_starve_the_next(longest):
    """Behind a wallet that uses its cap: the next has ITEM_GAS or nobody has anything."""
    burner, who = put_code(longest.evm, GREEDY), longest.evm.actors[80]
    items = [item(longest, burner), signed(longest, who)]
    for gas in (800_000, 900_000, 960_000, 1_100_000):
        assert told(longest, items, gas=gas) <= {"Granted", "InsufficientGas"}
    assert told(longest, items, gas=1_500_000) == {"Granted"}


def test_an_endless_signature_of_one_does_not_starve_the_next(longest):
    """Its bytes are copied with the gas of the batch."""
    who = longest.evm.actors[80]
    items = [item(longest, longest.evm.actors[81].address, bytes(60_000)), signed(longest, who)]
    for gas in (2_700_000, 3_100_000, 3_400_000):
        found = told(longest, items, gas=gas)
        assert found in ({"InsufficientGas"}, {"OutOfGas"}, {"SignatureSkipped", "Granted"})
