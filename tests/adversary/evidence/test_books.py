"""Address books that somebody else wrote, as MEDFED_ADDRESSES and a hospital's settings take them: whatever does not follow from
`FederatedRounds` is refused by every command, daemons among them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from medfed.chain.addresses import Placed
from medfed.chain.deployer import Deployer, Order, arguments_of, creation
from medfed.chain.deployment import deployment_of, load, open_index
from medfed.chain.params import parameters_for
from medfed.chain.root import check_start, follow
from medfed.chain.sender import Sender
from medfed.errors import ConfigError, NotProved, WrongChain
from medfed.rounds.audit import audit_study
from medfed.rounds.federation import Federation
from tests.nodes.federation import account

FOLLOWED = (
    *(
        "AccessManager",
        "Consortium",
        "DatasetRegistry",
        "ConsentRegistry",
        "StakeVault",
        "Studies",
        "Claims",
        "Proofs",
    ),
    *("Payouts", "ModelMarket"),
)


@pytest.fixture
def written(tmp_path):
    """Writes a book to a file."""

    def write(book):
        path = tmp_path / "book.json"
        path.write_text(json.dumps(asdict(book)))
        return path

    return write


@pytest.fixture(scope="module")
def second(played, tmp_path_factory):
    """A stranger's deployment of the same code on the same chain."""
    client, stranger = played.world.client, account("stranger")
    client.set_balance(stranger.address, 10**20)
    folder = tmp_path_factory.mktemp("second")
    Deployer(Order(parameters_for(client), folder), Sender(client, stranger)).run()
    return load(client, folder)


def with_placed(book, name, placed):
    return replace(book, contracts={**book.contracts, name: placed})


def test_the_published_book_is_taken(played, written, tmp_path):
    book = played.world.contracts.book
    assert load(played.world.client, tmp_path, written(book)).book.contracts.keys() == book.contracts.keys()


@pytest.mark.parametrize("name", FOLLOWED)
def test_one_contract_of_another_deployment_is_refused(played, second, written, tmp_path, name):
    own, other = played.world.contracts.book, second.book.contracts[name]
    with pytest.raises(
        WrongChain,
        match=f"names {other.address} as {name}, the FederatedRounds .* {own.contracts[name].address}",
    ):
        load(played.world.client, tmp_path, written(with_placed(own, name, other)))


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_missing_contract_is_refused(played, written, tmp_path, name):
    """The rest of a book does not make up for it."""
    book = played.world.contracts.book
    less = replace(book, contracts={each: placed for each, placed in book.contracts.items() if each != name})
    with pytest.raises(WrongChain, match=f"names no address as {name}"):
        load(played.world.client, tmp_path, written(less))


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_strangers_copy_that_points_at_the_root_is_refused(played, written, tmp_path, name):
    """Made with the very arguments of the published one: it knows the root, and the root does not know it."""
    world = played.world
    book = world.contracts.book
    places = {each: placed.address for each, placed in book.contracts.items()}
    arguments = arguments_of(name, places, parameters_for(world.client), book.deployer)
    receipt = world.send(world.sponsor, creation(name, arguments))
    forged = with_placed(book, name, Placed(receipt.contract, receipt.block, arguments))
    with pytest.raises(WrongChain, match=f"names {receipt.contract} as {name}"):
        load(world.client, tmp_path, written(forged))


def test_another_root_brings_its_own_contracts(played, second, written, tmp_path):
    """The root of one and the rest of another deployment."""
    root = second.book.contracts["FederatedRounds"]
    with pytest.raises(WrongChain, match="the FederatedRounds at"):
        load(
            played.world.client,
            tmp_path,
            written(with_placed(played.world.contracts.book, "FederatedRounds", root)),
        )


@pytest.mark.parametrize("name", ["SumRule", "DevelopmentToken", "FederatedRounds"])
def test_other_code_is_refused(played, written, tmp_path, name):
    book = played.world.contracts.book
    with pytest.raises(WrongChain, match=f"The contract {name} at .* has other code"):
        load(played.world.client, tmp_path, written(with_placed(book, name, book.contracts["Proofs"])))


def test_a_manager_that_only_some_obey_is_no_deployment(played):
    """The admin may move contracts to another AccessManager; half a move is told."""
    world = played.world
    manager = world.contracts.manager
    other = world.send(world.consortium, creation("AccessManager", (world.consortium.address,))).contract
    update = manager._change("updateAuthority", world.contracts.vault.address, other)
    world.send(world.consortium, update)
    try:
        with pytest.raises(WrongChain, match=r"The contract StakeVault at .* obeys"):
            follow(world.client, world.contracts.rounds.address)
    finally:
        back = type(manager)(world.client, other)._change(
            "updateAuthority", world.contracts.vault.address, manager.address
        )
        world.send(world.consortium, back)
    assert follow(world.client, world.contracts.rounds.address)["AccessManager"] == manager.address


class TestTheStart:
    """A book whose blocks are later hides what was done before."""

    def late(self, played, by):
        book = played.world.contracts.book
        contracts = {
            name: replace(placed, block=placed.block + by) for name, placed in book.contracts.items()
        }
        return deployment_of(played.world.client, replace(book, contracts=contracts))

    def test_a_later_first_block_is_a_difference(self, played):
        world, contracts = played.world, self.late(played, 1)
        report = audit_study(
            Federation(world.client, contracts, world.store, open_index(contracts, None)), played.study
        )
        assert "stood already in block" in report.difference

    def test_one_that_hides_what_the_contracts_count_is_told_before_anything_else(self, played):
        """It is the book that is wrong, and no node."""
        world, contracts = played.world, self.late(played, 40)
        late = Federation(world.client, contracts, world.store, open_index(contracts, None))
        with pytest.raises(WrongChain, match="stood already in block"):
            audit_study(late, played.study)

    def test_an_earlier_one_hides_nothing(self, played):
        world, contracts = played.world, self.late(played, -1)
        report = audit_study(
            Federation(world.client, contracts, world.store, open_index(contracts, None)), played.study
        )
        assert report.proved

    def test_a_node_without_old_state_shows_the_first_role_given(self, played, monkeypatch):
        """By the receipt of the creation; of a history that begins later it does not."""
        world = played.world
        code = world.client.code

        def recent(address, block=None):
            if isinstance(block, int):
                raise ConfigError("missing trie node")
            return code(address, block)

        monkeypatch.setattr(world.client, "code", recent)
        with pytest.raises(NotProved):
            check_start(world.client, [world.contracts.rounds.address], 3)
        assert audit_study(world.federation(), played.study).proved
        contracts = self.late(played, 1)
        late = Federation(world.client, contracts, world.store, open_index(contracts, None))
        report = audit_study(late, played.study)
        assert (report.ok, report.proved) == (True, False)
        assert report.verdict.startswith("CONSISTENT, NOT PROVED: whether the contracts' history begins")
