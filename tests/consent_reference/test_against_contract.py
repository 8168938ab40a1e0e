"""Twin and contract answer as the reference does, post by post and second by second.

The first disagreement is shown in words, with the seed that makes it again. `python -m tests.consent_reference` tries
more histories on the twin.
"""

from __future__ import annotations

import pytest

from tests.consent_reference.adapter import disagreement
from tests.consent_reference.contract import ContractAdapter
from tests.consent_reference.corpus import ASKED, posts_of, telling
from tests.consent_reference.histories import SHAPES
from tests.consent_reference.mutants import MUTANTS
from tests.consent_reference.twin import TwinAdapter, dataset_id
from tests.contracts.consent.conftest import Consents, deploy
from tests.rig.evm import Evm

ON_TWIN = 300


@pytest.fixture(scope="module")
def consents(evm_module: Evm) -> Consents:
    """A registry whose owner speaks for every dataset of a crowd."""
    return deploy(evm_module, *map(dataset_id, range(3)))


def test_twin_answers_as_the_reference() -> None:
    for seed in range(ON_TWIN):
        wrong = disagreement(posts_of(seed), TwinAdapter())
        assert not wrong, f"seed {seed}: {wrong}"


@pytest.mark.slow
def test_contract_answers_as_the_reference(consents: Consents) -> None:
    """Over the histories that tell the mutants, so a contract with any of their faults is found out.

    By turns each decision is posted by itself and in a batch. A question costs milliseconds here: one is asked.
    """
    token = consents.evm.snapshot()
    for place, seed in enumerate(sorted({seed for mutant in MUTANTS for seed in telling(mutant)})):
        wrong = disagreement(posts_of(seed), ContractAdapter(consents, in_batches=place % 2 == 1), ASKED)
        consents.evm.restore(token)
        assert not wrong, f"seed {seed}: {wrong}"


def test_contract_keeps_patients_and_datasets_apart(consents: Consents) -> None:
    """A crowd of both."""
    assert not disagreement(posts_of(len(SHAPES) - 1), ContractAdapter(consents), ASKED)
