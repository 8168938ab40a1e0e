"""What a settled study published stays pinned for the hospital's keep time, or until the hospital has a bundle of it."""

from __future__ import annotations

import pytest

from medfed.cli import actions
from medfed.errors import InputError
from medfed.nodes.bundles import Bundles
from medfed.protocol.consent import DAY
from medfed.rounds.bundle import Limits, export_bundle, open_bundle
from medfed.rounds.keeping import kept_until, lasting
from medfed.rounds.study import artefacts, fetch_spec
from tests.nodes.federation import DISPUTE
from tests.nodes.test_hospital import audit

pytestmark = pytest.mark.usefixtures("quiet")

DAYS = 2
LIMITS = Limits(1 << 40, 0.0, 1 << 20)


@pytest.fixture
def keepers(world):
    """Daemons that keep updates for two days."""
    return started(world)


def started(world, days=DAYS):
    for member in world.members:
        text = member.file.read_text().split("\n[daemon]")[0]
        member.file.write_text(text + f"\n[daemon]\nkeep_updates_days = {days}\n")
    return [world.hospital(member) for member in world.members]


def settled(world, hospitals, **offer):
    study = world.opened(*hospitals, rounds=1, **offer)
    world.run(*hospitals, cycles=4)
    world.client.travel(DISPUTE + 1)
    world.run(*hospitals, cycles=3)
    assert len(world.index.events("StakeReleased", study=study)) == 3
    return study


def files(world, study):
    """All of a study's files, and those that last."""
    record = world.study(study)
    spec = fetch_spec(world.store, record)
    return {*artefacts(world.index, record, spec)}, {*lasting(world.index, record)}


def bundle(world, member, study, file, write=None):
    federation = world.federation()
    now = federation.sync().timestamp
    return Bundles(member.home, federation.name).make(
        world.study(study),
        now,
        file,
        write or (lambda: export_bundle(federation, study, file, LIMITS)),
    )


class TestTheKeepTime:
    def test_all_stays_until_its_last_second(self, world, keepers):
        """And then what lasts: spec, manifests, final model. A restart lets nothing go earlier, and does nothing twice."""
        study = settled(world, keepers)
        everything, last = files(world, study)
        until = kept_until(world.study(study), DAYS)
        assert until == world.study(study).ended_at + DISPUTE + DAYS * DAY
        world.client.travel(until - world.client.head().timestamp - 60)
        for hospitals in (keepers, started(world)):
            world.run(*hospitals, cycles=2)
            assert everything <= world.store.pins()
        world.client.travel(60)
        world.run(*hospitals, cycles=2)
        assert everything & world.store.pins() == last
        assert len(last) == 1 + 3 + 1
        told = [line for member in world.members for line in audit(member, "let go")]
        assert [line["files"] for line in told] == [len(everything - last)]  # they share a store
        world.run(*started(world), cycles=2)
        assert everything & world.store.pins() == last

    def test_is_a_year_unless_said_otherwise(self, world, three):
        study = settled(world, three)
        world.client.travel(300 * DAY)
        world.run(*three, cycles=2)
        assert files(world, study)[0] <= world.store.pins()

    def test_what_lasts_of_one_study_outlives_another_that_began_with_it(self, world, monkeypatch):
        """The second study's first model is the final one of the first."""
        hospitals = started(world, days=0)
        model = lasting(world.index, world.study(settled(world, hospitals)))[-1]
        data = world.store.get(model, 1 << 20)
        complete = actions.complete_study
        monkeypatch.setattr(
            actions, "complete_study", lambda draft: (complete(draft)[0].with_initial_model(model), data)
        )
        everything, last = files(world, settled(world, hospitals, spec={"seed": 8}))
        assert model in everything - last
        assert model in world.store.pins()
        assert everything & world.store.pins() == {*last, model}


class TestABundle:
    def test_lets_the_updates_go_at_once(self, world, keepers, tmp_path):
        """Of the hospital that has it. It is whole, and what no longer is in the store can be verified by it."""
        study = settled(world, keepers)
        everything, last = files(world, study)
        member = world.members[1]
        bundle(world, member, study, tmp_path / "bundle")
        world.run(*(hospital for hospital in keepers if hospital.id != member.id), cycles=2)
        assert everything <= world.store.pins()
        world.run(world.hospital(member), cycles=2)
        assert everything & world.store.pins() == last
        opened = open_bundle(tmp_path / "bundle", max_bytes=1 << 30)
        assert all(opened.federation.store.has(cid) for cid in everything)
        opened.close()

    def test_of_a_study_that_is_not_settled_is_none(self, world, keepers, tmp_path):
        """A proof could still undo it."""
        study = world.opened(*keepers, rounds=1)
        for _ in range(2):
            with pytest.raises(InputError, match="not settled yet"):
                bundle(world, world.members[0], study, tmp_path / "bundle")
            world.run(*keepers, cycles=4)
        assert world.study(study).ended
        assert not (tmp_path / "bundle").exists()

    def test_that_was_not_finished_is_none(self, world, keepers, tmp_path):
        """Killed before it is on disk, or before it was read back: nothing is let go, and making it again is right."""
        study, member, file = settled(world, keepers), world.members[0], tmp_path / "bundle"

        def killed():
            raise KeyboardInterrupt

        def damaged():
            done = export_bundle(world.federation(), study, file, LIMITS)
            file.write_bytes(file.read_bytes()[:-1])
            return done

        for write, error in ((killed, KeyboardInterrupt), (damaged, Exception)):
            with pytest.raises(error):
                bundle(world, member, study, file, write)
            world.run(world.hospital(member), cycles=2)
            assert files(world, study)[0] <= world.store.pins()
        bundle(world, member, study, file)
        assert study in Bundles(member.home, world.federation().name)

    def test_is_not_written_over_that_of_another_study(self, world, keepers, tmp_path):
        """Whose updates were let go for it. Its own may be made again."""
        one, other = (settled(world, keepers, spec={"seed": seed}) for seed in (8, 9))
        member = world.members[0]
        bundle(world, member, one, tmp_path / "bundle")
        before = (tmp_path / "bundle").read_bytes()
        with pytest.raises(InputError, match=f"is this hospital's bundle of study {one}"):
            bundle(world, member, other, tmp_path / "bundle")
        assert (tmp_path / "bundle").read_bytes() == before
        bundle(world, member, one, tmp_path / "bundle")
        bundle(world, member, other, tmp_path / "other")

    def test_of_another_chain_is_none_here(self, world, keepers, tmp_path):
        study = settled(world, keepers)
        bundle(world, world.members[0], study, tmp_path / "bundle")
        assert study not in Bundles(world.members[0].home, "1-00000000-00000000")
