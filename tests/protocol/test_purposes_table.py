"""The table of docs/purposes.md is the oracle: the module answers as a slow judge that knows nothing else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from medfed.errors import InputError
from medfed.protocol import purposes
from medfed.protocol.purposes import Purpose
from tests.protocol.purposes_table import Judge, examples, random_purposes, rows

PAIRS = 200_000


@pytest.fixture(scope="module")
def judge():
    return Judge()


@pytest.fixture(scope="module")
def triples(judge):
    """(consented, requested, confirmed), of which many are well formed, and a request often meets the consent."""
    rng = np.random.default_rng(20260117)
    consented = random_purposes(judge, rng, PAIRS, list(range(1, 64)))
    requested = random_purposes(judge, rng, PAIRS, judge.cores)
    conditions = np.uint32(judge.value(*judge.codes("promise"), *judge.codes("confirmation")))
    requested |= np.where(rng.random(PAIRS) < 0.6, consented & conditions, np.uint32(0))
    confirmed = random_purposes(judge, rng, PAIRS, [0]) | np.where(
        rng.random(PAIRS) < 0.5, requested, np.uint32(0)
    )
    return consented, requested, confirmed & np.uint32(purposes.PARAMETERISED)


def test_the_module_has_the_tables_codes():
    """The same identifiers and bits, and NPUNCU is two."""
    told = {row.code: (row.duo, sum(1 << bit for bit in row.bits)) for row in rows()}
    ours = {name: (purposes.duo_id(code) or "–", int(code)) for name, code in Purpose.__members__.items()}
    assert told == ours


def test_kinds_lie_together(judge):
    """Permissions in one range from bit 0, parameterised conditions in another that is a byte; bit 31 is nobody's."""
    assert [judge.bit[code] for code in judge.codes("permission")] == list(range(6))
    assert judge.value(*judge.codes("confirmation")) == purposes.PARAMETERISED
    assert purposes.to_byte(purposes.PARAMETERISED) == 0x7F
    assert 31 not in judge.bit.values()
    assert not purposes.is_defined(1 << 31)


@pytest.mark.parametrize(("consent", "request_", "permitted"), examples())
def test_examples(consent, request_, permitted):
    assert purposes.permits(purposes.parse(consent), purposes.parse(request_)) is permitted


def test_permits_as_the_table_says(judge, triples):
    consented, requested, _ = triples
    answers = judge.permits(consented, requested)
    assert 0.05 < answers.mean() < 0.95
    agree(purposes.permits, answers, consented, requested)


def test_permits_study_as_the_table_says(judge, triples):
    consented, requested, confirmed = triples
    same = np.arange(PAIRS) % 2 == 0
    answers = judge.permits_study(consented, requested, confirmed, same)
    assert 0.05 < answers.mean() < 0.95

    def ours(uses, request, known, equal):
        return purposes.permits_study(uses, 1, purposes.met(request, known), 1 if equal else 2)

    agree(ours, answers, consented, requested, confirmed, same)


def test_narrows_as_the_table_says(judge, triples):
    """For consents; each is compared with one that is near it as well as with any other."""
    before, other, _ = triples
    before, other = (each & ~np.uint32(judge.value("MDS")) for each in (before, other))
    after = np.where(np.arange(PAIRS) % 2 == 0, other, before ^ (other & other >> np.uint32(1)))
    fine = judge.is_consent(before) & judge.is_consent(after)
    before, after = before[fine], after[fine]
    answers = judge.narrows(before, after)
    assert len(answers) > PAIRS // 20
    assert 0.02 < answers.mean() < 0.98
    agree(purposes.narrows, answers, before, after)


def test_narrows_for_every_request(judge):
    """Every pair of consents without conditions, or with three, and every request: exactly those narrow that permit nothing
    new."""
    some = judge.value("IRB"), judge.value("NPU"), judge.value("IS")
    extras = np.array(
        [sum(each) for n in range(4) for each in itertools.combinations(some, n)], dtype=np.uint32
    )
    requests = np.array([core | int(extra) for core in judge.cores for extra in extras], dtype=np.uint32)
    denials = [judge.value(*each) for each in ((), ("NPOA",), ("NMDS",), ("NPOA", "NMDS"))]
    every = np.array([kind | denied for kind in range(1, 64) for denied in denials], dtype=np.uint32)
    consents = np.concatenate([every | extra for extra in (extras[0], extras[1], extras[-1])])
    consents = consents[judge.is_consent(consents)]
    permitted = np.array([judge.permits(np.full_like(requests, each), requests) for each in consents])
    # Both as matrices of 0 and 1: a product counts the requests that the second permits and the first does not.
    new = (~permitted).astype(np.float32) @ permitted.T.astype(np.float32)
    ours = [[purposes.narrows(int(a), int(b)) for b in consents] for a in consents]
    assert np.array_equal(np.array(ours), new == 0)


def test_checks_as_the_table_says(judge, triples):
    for check, answers in (
        (purposes.check_consent, judge.is_consent(triples[0])),
        (purposes.check_request, judge.is_request(triples[0])),
    ):
        for value, fine in zip(triples[0][:4_000].tolist(), answers, strict=False):
            assert accepts(check, value) == fine, hex(value)


def accepts(check, value):
    try:
        check(value)
    except InputError:
        return False
    return True


def agree(function, answers, *columns):
    ours = np.fromiter(
        (function(*row) for row in zip(*(each.tolist() for each in columns), strict=True)), bool
    )
    wrong = np.flatnonzero(ours != answers)
    assert wrong.size == 0, [hex(int(each[wrong[0]])) for each in columns]
