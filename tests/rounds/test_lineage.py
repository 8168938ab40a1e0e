"""A lineage names files that can be had and transactions that were sent, and its picture holds any number of rounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medfed.cli.lineage_graph import MOST_ROUNDS, draw
from medfed.errors import InputError
from medfed.protocol.cid import cid_from_digest
from medfed.rounds.lineage import read_lineage
from medfed.rounds.models import due_credits, read_rounds
from medfed.types import RoundNumber
from tests.nodes.federation import DISPUTE


@pytest.fixture(scope="module")
def found(ended):
    return read_lineage(ended.federation, ended.study)


def files(found):
    yield from (found.study.spec, found.study.initial_model, found.model.model)
    yield from (source.report for source in found.sources)
    for line in found.rounds:
        yield from (line.aggregate, line.model)
        yield from (cid for entry in line.contributions for cid in (entry.update, entry.cohort))


def test_every_file_it_names_can_be_fetched(ended, found):
    for cid in files(found):
        assert ended.world.store.get(cid, 1 << 24)


def test_every_transaction_emitted_what_it_is_named_for(ended, found):
    """Looked up by its hash among all events of the index."""
    index, study = ended.world.index, ended.study

    def sent(name, **where):
        return {event.tx_hash for event in index.events(name, **where)}

    assert found.study.created_tx in sent("StudyCreated", study=study)
    for source in found.sources:
        assert source.published_tx in sent("DatasetRegistered", dataset=source.dataset)
        assert source.enrolled_tx in sent("Enrolled", study=study, seat=source.seat)
    for line in found.rounds:
        where = {"study": study, "round": line.number}
        assert line.opened_tx in sent("RoundOpened", **where)
        assert line.final_tx in sent("RoundFinal", **where)
        assert {entry.tx for entry in line.attesters} <= sent("Attested", **where)
        for entry in line.contributions:
            assert entry.tx in sent("UpdateSubmitted", seat=entry.seat, **where)


def test_the_attesters_are_those_of_the_final_result(ended, found):
    for line in found.rounds:
        history = ended.world.round(ended.study, line.number)
        stands = history.attesters[history.final_hash]
        assert sum(1 << entry.seat for entry in line.attesters) == stands


def test_scores_share_a_round_and_are_those_that_the_market_counts(ended, found):
    """Round by round they come to one; credited, they are what the chain keeps."""
    world, market = ended.world, ended.world.contracts.market
    for line in found.rounds:
        assert sum(entry.share for entry in line.contributions) == pytest.approx(1)
    world.client.travel(DISPUTE + 1)
    study = world.study(ended.study)
    for call in due_credits(world.index, market, study, read_rounds(world.index, study)):
        world.send(world.sponsor, call)
    for source in found.sources:
        share, _ = market.share(ended.study, source.seat)
        told = sum(
            entry.share for line in found.rounds for entry in line.contributions if entry.seat == source.seat
        )
        assert share / 10**18 == pytest.approx(told)
    world.index.sync()
    assert not list(due_credits(world.index, market, study, read_rounds(world.index, study))), (
        "each counts once"
    )


def test_the_model_is_the_last_rounds_until_one_is_registered(ended, found):
    last = ended.world.round(ended.study, 2).result
    assert found.model.model == cid_from_digest(last.model)
    assert (found.model.registered_tx, found.model.shares, found.model.licences) == (b"", {}, ())


def test_a_study_without_a_result_has_none(world):
    study = world.post()
    world.index.sync()
    with pytest.raises(InputError, match="none of its rounds is final"):
        read_lineage(world.federation(), study)


@pytest.mark.parametrize("rounds", [1, MOST_ROUNDS + 60])
def test_a_picture_holds_any_number_of_rounds(found, tmp_path, rounds):
    """Its width stops growing where it could not be looked at any more."""
    many = tuple(replace(found.rounds[0], number=RoundNumber(number)) for number in range(1, rounds + 1))
    names = {source.seat: "Saint $x^2$ \x1b[31m" for source in found.sources}
    draw(replace(found, rounds=many), names, tmp_path / "picture.png")
    header = (tmp_path / "picture.png").read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert int.from_bytes(header[16:20], "big") < 20_000
