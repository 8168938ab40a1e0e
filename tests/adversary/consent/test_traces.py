"""What is left behind by daemons and relayers for whoever reads logs, metrics, stores or error texts: nobody's account, record
or secret, and nothing that shows that two accounts are one person's."""

from __future__ import annotations

import io
import re

import pytest

from medfed.chain.sender import Sender
from medfed.errors import MedFedError
from medfed.log import configure
from medfed.nodes.health import Health
from medfed.nodes.hospital import Hospital
from medfed.protocol.leaves import Use, use_salt
from medfed.types import RoundNumber
from tests.nodes.federation import DISPUTE, ETHER, PATIENTS, PHASE, deploy
from tests.nodes.test_revoking import leaf_of, manifest_of


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return deploy(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def world(ground, tmp_path):
    return ground.world(tmp_path, 3)


@pytest.fixture
def log():
    out = io.StringIO()
    configure("debug", "json", out)
    yield out
    configure("error")


def secrets_of(world, study):
    """All that ties somebody to something, in hex and as written: by name."""
    found = {}
    for member in world.members:
        records = (member.folder / "records.csv").read_text().splitlines()[1:]
        for number, record in enumerate(row.split(",")[0] for row in records):
            link = member.wallet.link_secret(number)
            found[f"account {member.name} {number}"] = member.wallet.account(number).address[2:].lower()
            found[f"secret {member.name} {number}"] = link.hex()
            found[f"record {member.name} {number}"] = record.lower()
            for value in (1, 2):
                use = Use(
                    world.client.chain_id,
                    world.contracts.rounds.address,
                    study,
                    RoundNumber(value),
                    member.dataset,
                )
                found[f"salt {member.name} {number} {value}"] = use_salt(link, use).hex()
        found[f"filler secret {member.name}"] = (member.folder / "secret.hex").read_text().strip().lower()
    return found


def leaks(text: bytes, kept) -> list[str]:
    """What of these stands in some bytes, as hex or as bytes."""
    shown = text.lower()
    found = []
    for name, value in kept.items():
        plain = value.encode()
        if name.startswith("record"):
            hit = re.search(rb"(?<![0-9a-z])" + re.escape(plain) + rb"(?![0-9a-z])", shown)
        else:
            hit = plain in shown or bytes.fromhex(value) in text
        if hit:
            found.append(name)
    return found


def daemons(world):
    made = []
    for member in world.members:
        sender = Sender(world.client, member.operator, member.home / "sent")
        health = Health()
        made.append(
            (
                Hospital(world.federation(member.store), sender, member.config(), member.home, health),
                health,
            )
        )
    return made


def test_a_study_with_all_that_goes_wrong_names_nobody(world, log):
    """A revocation before the training, a register that is damaged, records that are not those that were registered."""
    made = daemons(world)
    hospitals = [each for each, _ in made]
    study = world.opened(*hospitals)
    member = world.members[0]
    gone = member.wallet.account(0)
    world.client.set_balance(gone.address, ETHER)
    world.send(gone, world.contracts.consents.revoke_all())
    world.run(*hospitals, cycles=4)
    world.client.travel(PHASE)
    world.run(*hospitals, cycles=6)
    # From here on one hospital's files are spoilt, in two ways, one after the other.
    register, records = member.folder / "patients.csv", member.folder / "records.csv"
    good = register.read_text(), records.read_text()
    rows = good[0].splitlines()
    for spoilt in ("\n".join([*rows, rows[1]]), good[0].replace(rows[1].split(",")[1], "0x12", 1)):
        register.write_text(spoilt)
        broken = world.hospital(member)._site
        with pytest.raises(MedFedError) as caught:
            broken.holdings  # noqa: B018 - read when first needed
        log.write(f"{caught.value!r} {caught.value}\n")
    register.write_text(good[0])
    records.write_text("\n".join(good[1].splitlines()[:-1]) + "\n")
    spoilt = world.hospital(member)
    for _ in range(2):
        spoilt.execute()
        world.client.travel(PHASE)
    records.write_text(good[1])
    world.client.travel(2 * PHASE + DISPUTE)
    world.run(*hospitals, cycles=4)

    kept = secrets_of(world, study)
    assert len(kept) == 3 * (5 * PATIENTS + 1)
    assert len(leaks(register.read_bytes(), kept)) >= 3 * PATIENTS, "they would be found"
    told = log.getvalue()
    assert '"event"' in told
    assert leaks(told.encode(), kept) == []
    for _, health in made:
        assert leaks(health.metrics(), kept) == []
    for file in (path for path in world.folder.glob("store/**/*") if path.is_file()):
        assert leaks(file.read_bytes(), kept) == [], file
    for each in world.members:
        assert leaks((each.home / "audit.jsonl").read_bytes(), kept) == []


def test_what_is_shown_in_the_store_has_no_order_of_people(world, log):
    """The manifest of a round stands in the order of its leaves: neither the register's order nor that of the consents."""
    made = [each for each, _ in daemons(world)]
    study = world.opened(*made)
    world.run(*made, cycles=3)
    member = world.members[0]
    manifest = manifest_of(world, study)
    places = [manifest.index(leaf_of(world, study, member, number)) for number in range(PATIENTS)]
    assert None not in places
    assert places != sorted(places)
