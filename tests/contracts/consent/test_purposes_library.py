"""The Solidity library against its Python twin and against the table of docs/purposes.md, beyond the shared vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.errors import InputError
from medfed.protocol import purposes
from medfed.protocol.purposes import PARAMETERISED, Purpose
from tests.protocol.purposes_table import Judge, random_purposes

settings_ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
bits = st.one_of(
    st.integers(0, 2**32 - 1),
    st.sets(st.sampled_from(list(Purpose))).map(lambda codes: int(sum(codes))),
    st.builds(
        lambda kind, codes: int(kind | sum(codes)),
        st.sampled_from(list(Purpose)[:6]),
        st.sets(st.just(Purpose.IRB)),
    ),
)


@pytest.fixture(scope="module")
def library(evm_module):
    return evm_module.deploy("PurposesHarness")


@settings_
@given(left=bits, right=bits, disease=st.integers(0, 3), other=st.integers(0, 3))
def test_twins_agree(library, left, right, disease, other):
    assert library.permits(left, right) == purposes.permits(left, right)
    assert library.narrows(left, right) == purposes.narrows(left, right)
    assert library.permitsStudy(left, disease, right, other) == purposes.permits_study(
        left, disease, right, other
    )
    assert library.asked(right, disease, other) == purposes.asked(right, disease, other)
    assert library.met(right, left) == purposes.met(right, left)
    assert library.toByte(left) == purposes.to_byte(left)
    assert library.fromByte(left & 0xFF) == purposes.from_byte(left & 0xFF)


def test_answers_as_the_table_says(library):
    """The oracle knows nothing but the document; a request often meets the consent."""
    judge, rng = Judge(), np.random.default_rng(20260118)
    count, batch = 4_000, 500
    left = random_purposes(judge, rng, count, list(range(1, 64)))
    right = random_purposes(judge, rng, count, judge.cores)
    left, right = (np.where(rng.random(count) < 0.6, each & 0x7F1FF97F, each) for each in (left, right))
    right |= np.where(rng.random(count) < 0.6, left & 0x7F1FF000, np.uint32(0))
    confirmed = np.where(
        rng.random(count) < 0.5, right & PARAMETERISED, rng.integers(0, 2**32, count, np.uint32)
    )
    confirmed = confirmed & np.uint32(PARAMETERISED) | (rng.random(count) < 0.5)
    right, confirmed = right.astype(np.uint32), confirmed.astype(np.uint32)
    told = judge.permits(left, right) | judge.permits_study(left, right, confirmed, confirmed % 2 == 0) << 2
    wellformed = judge.is_consent(left) & judge.is_consent(right)
    narrows = judge.narrows(left, right)
    for start in range(0, count, batch):
        part = slice(start, start + batch)
        answers = library.judge(*(each[part].tolist() for each in (left, right, confirmed)))
        ours = np.frombuffer(answers, dtype=np.uint8)
        assert np.array_equal(ours & 5, told[part])
        assert np.array_equal((ours & 2 > 0)[wellformed[part]], narrows[part][wellformed[part]])


@settings_
@given(value=bits)
def test_twins_refuse_the_same(library, evm_module, value):
    checks = {purposes.check_consent: "requireConsent", purposes.check_request: "requireRequest"}
    for check, function in checks.items():
        try:
            check(value)
        except InputError:
            with evm_module.reverts(refusal(check, value)):
                getattr(library, function)(value)
        else:
            getattr(library, function)(value)


def refusal(check, value):
    if not purposes.is_defined(value) or (check is purposes.check_consent and value & Purpose.MDS):
        return "UndefinedPurposes"
    if check is purposes.check_request:
        return "AmbiguousRequest"
    return "RestrictedNRES" if value & Purpose.NRES else "NoPermission"


def test_refusals_carry_their_values(library, evm_module):
    with evm_module.reverts("UndefinedPurposes", 2 | 1 << 7 | 1 << 31, 1 << 7 | 1 << 31):
        library.requireConsent(2 | 1 << 7 | 1 << 31)
    with evm_module.reverts("UndefinedPurposes", int(Purpose.HMB | Purpose.MDS), int(Purpose.MDS)):
        library.requireConsent(Purpose.HMB | Purpose.MDS)
    with evm_module.reverts("RestrictedNRES", int(Purpose.NRES | Purpose.IRB)):
        library.requireConsent(Purpose.NRES | Purpose.IRB)
    with evm_module.reverts("UnaskedConfirmation", int(Purpose.IS | Purpose.US), int(Purpose.US)):
        library.requireConfirmable(Purpose.HMB | Purpose.IS, Purpose.IS | Purpose.US)
    library.requireConfirmable(Purpose.HMB | Purpose.IS | Purpose.US, Purpose.IS)
    with evm_module.reverts("NoPermission", int(Purpose.IRB)):
        library.requireConsent(Purpose.IRB)
    for request in (int(Purpose.HMB | Purpose.DS), 0, int(Purpose.POA | Purpose.NPOA)):
        with evm_module.reverts("AmbiguousRequest", request):
            library.requireRequest(request)
