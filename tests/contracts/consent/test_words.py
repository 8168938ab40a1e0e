"""What a wallet shows of a consent: the contract's words are the twin's, and only they are what was signed."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from medfed.errors import InputError
from medfed.protocol import wording
from medfed.protocol.consent import NO_DETAILS, NO_LAST_YEAR, Details, form_digest
from medfed.protocol.purposes import Purpose, check_consent
from tests.contracts.consent.conftest import HMB, IRB, NO_EXPIRY

ITEM_GAS = 700_000
FORM = form_digest(b"form")
EVERY_CODE = sum(int(code) for code in Purpose.__members__.values() if code.bit_count() == 1) & ~int(
    Purpose.NRES | Purpose.MDS
)


def consentable(count):
    """Each code, alone or beside any research, and some sets by chance."""
    chance = np.random.default_rng(20261128).integers(0, 1 << 31, count).tolist()
    found = [int(code) | extra for code in Purpose for extra in (0, int(Purpose.GRU))]
    found += [each & EVERY_CODE | int(Purpose.GRU) for each in chance] + [EVERY_CODE]
    return [each for each in dict.fromkeys(found) if is_consent(each)]


def is_consent(purposes):
    try:
        check_consent(purposes)
    except InputError:
        return False
    return True


def described(consents, purposes=HMB, details=NO_DETAILS, day=NO_EXPIRY):
    return tuple(consents.describe(purposes, details.packed(), day))


class TestTwin:
    def test_uses(self, consents):
        sets = consentable(20)
        assert len(sets) >= 50
        for each in sets:
            assert described(consents, each)[0] == wording.uses(each)

    @pytest.mark.parametrize(
        ("purposes", "error"),
        [
            (0, "NoPermission"),
            (IRB, "NoPermission"),
            (HMB | 1 << 7, "UndefinedPurposes"),
            (HMB | 1 << 31, "UndefinedPurposes"),
            (HMB | int(Purpose.MDS), "UndefinedPurposes"),
        ],
    )
    def test_what_nobody_can_consent_to_has_no_words__reverts(self, consents, purposes, error):
        assert not is_consent(purposes)
        with consents.evm.reverts(error):
            described(consents, purposes)

    @pytest.mark.parametrize(
        "years", [(0, NO_LAST_YEAR), (2015, NO_LAST_YEAR), (0, 2020), (2015, 2020), (7, 7)]
    )
    def test_window(self, consents, years):
        assert described(consents, details=Details(*years, FORM))[1] == wording.window(*years)

    def test_every_kind_of_day(self, consents):
        """The ends of all months of a leap year, of a common one and of 2100, the first and the last day that there is."""
        first = [date(year, month, 1) for year in (1972, 2000, 2027, 2100) for month in range(1, 13)]
        days = [(each + timedelta(days=d) - date(1970, 1, 1)).days for each in first for d in (-1, 0, 27, 28)]
        for day in [0, 1, 65_534, *days]:
            assert (
                described(consents, day=day)[2]
                == wording.until(day)
                == f"{date(1970, 1, 1) + timedelta(day)} begins (UTC)"
            )
        assert described(consents)[2] == wording.until(NO_EXPIRY) == "no end"


def test_different_terms_have_different_words():
    """So that nobody brings other terms under a signature."""
    sets = consentable(5_000)
    assert len({wording.uses(each) for each in sets}) == len(sets)
    windows = [(a, b) for a in (0, 1, 20, 2015) for b in (2015, 2016, 20_156, NO_LAST_YEAR)]
    assert len({wording.window(*each) for each in windows}) == len(windows)
    assert len({wording.until(day) for day in range(1 << 16)}) == 1 << 16


@pytest.mark.parametrize(
    "changed",
    [
        {"purposes": HMB | int(Purpose.CC)},
        {"expiryDay": NO_EXPIRY},
        {"details": Details(2014, 2020, FORM).packed()},
        {"details": Details(2015, 2020).packed()},
        {"datasetId": 8},
    ],
)
def test_other_terms_than_the_words__reverts(consents, changed):
    item = consents.grant_of(expiry_day=consents.today + 9, data_from=2015, data_until=2020, form=FORM)
    with consents.evm.reverts("InvalidSignature"):
        consents.grantBySig(item | changed, sender=consents.relayer)
    consents.grantBySig(item, sender=consents.relayer)


def test_other_words_for_the_dataset__reverts(consents):
    with consents.evm.reverts("InvalidSignature"):
        consents.grantBySig(consents.grant_of(dataset='dataset 7, "Cytology"'), sender=consents.relayer)


def test_first_words_of_the_longest_terms_fit_an_items_gas(consents):
    """By a contract wallet, for every code, with details and an end: a batch leaves an item more than it uses."""
    wallet = consents.evm.deploy("OwnedWallet", consents.patient)
    item = consents.grant_of(
        wallet,
        signer=consents.patient,
        purposes=EVERY_CODE,
        expiry_day=consents.today + 9,
        data_from=2015,
        data_until=2020,
        form=FORM,
    )
    first = consents.grantBatch([item], sender=consents.relayer)
    assert first.named("SignatureSkipped") == []
    assert first.gas_used - 21_000 < ITEM_GAS
