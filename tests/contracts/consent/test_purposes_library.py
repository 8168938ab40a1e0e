"""The Solidity library against its Python twin, beyond the shared vectors."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfed.errors import InputError
from medfed.protocol import purposes
from medfed.protocol.purposes import Purpose

settings_ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
bits = st.one_of(
    st.integers(0, 2**32 - 1),
    st.sets(st.sampled_from(list(Purpose))).map(lambda codes: int(sum(codes))),
    st.builds(
        lambda kind, codes: int(kind | sum(codes)),
        st.sampled_from(list(Purpose)[:4]),
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


@settings_
@given(value=bits)
def test_twins_refuse_the_same(library, evm_module, value):
    checks = {purposes.check_consent: "requireConsent", purposes.check_request: "requireRequest"}
    for check, function in checks.items():
        try:
            check(value)
        except InputError:
            name = "NoPermission" if check is purposes.check_consent else "AmbiguousRequest"
            with evm_module.reverts(name if purposes.is_defined(value) else "UndefinedPurposes"):
                getattr(library, function)(value)
        else:
            getattr(library, function)(value)


def test_refusals_carry_their_values(library, evm_module):
    with evm_module.reverts("UndefinedPurposes", 2 | 1 << 4 | 1 << 31, 1 << 4 | 1 << 31):
        library.requireConsent(2 | 1 << 4 | 1 << 31)
    with evm_module.reverts("NoPermission", int(Purpose.IRB)):
        library.requireConsent(Purpose.IRB)
    for request in (int(Purpose.HMB | Purpose.DS), 0, int(Purpose.POA | Purpose.NPOA)):
        with evm_module.reverts("AmbiguousRequest", request):
            library.requireRequest(request)
