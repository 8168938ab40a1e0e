"""Consents that are about the records of some years: what trains, what a manifest lists, and what the audit makes of it."""

from __future__ import annotations

import csv
import shutil
from typing import NamedTuple

import numpy as np
import pytest

from medfed.data.patients import Entry, write_register
from medfed.learning.train import Records, train
from medfed.protocol.basis import Basis
from medfed.protocol.consent import NO_DETAILS, Details
from medfed.protocol.purposes import Purpose
from medfed.protocol.vector import vector_bytes
from medfed.rounds.audit import audit_study
from medfed.rounds.disclose import disclosure
from medfed.types import NO_ACCOUNT, RoundNumber
from tests.nodes.federation import DAY, PATIENTS, PHASE
from tests.nodes.test_hospital import audit, work_of
from tests.nodes.test_revoking import decide, listed, manifest_of
from tests.rig import studies

pytestmark = pytest.mark.usefixtures("quiet")

DATES = ("2014-12-31", "2020-06-01", "")
"""Of each patient's three records."""
WINDOW = Details(2015, 2024)
SAID = {
    0: NO_DETAILS,  # all three records
    1: Details(2021, 2024),  # none of them
    2: Details(0, 2019),  # the first
    3: Details(2014, 2020),  # the first two: without a date is not inside
}
"""What the first hospital's patients consent to; the others to `WINDOW`, which is about their second record."""


class Row(NamedTuple):
    """One record of the first hospital."""

    patient: int
    features: np.ndarray
    label: float


@pytest.fixture
def rows(world):
    """The first hospital's records: dated ones, three of each patient. Its dataset is registered anew with them."""
    member, data = world.members[0], studies.dataset(PATIENTS * len(DATES), seed=9)
    with (member.folder / "records.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["seen", "record_id", *data.columns.features, "ill"])
        for row, record in enumerate(data.record_ids):
            fields = *map(repr, data.features[row].tolist()), int(data.labels[row])
            writer.writerow([DATES[row % len(DATES)], record, *fields])
    owners = [row // len(DATES) for row in range(len(data))]
    entries = [
        Entry(record, member.wallet.account(owner).address, member.wallet.link_secret(owner))
        for record, owner in zip(data.record_ids, owners, strict=True)
    ]
    write_register(member.folder / "patients.csv", entries)
    world.renew(member, (Basis.CONSENT, NO_ACCOUNT), date="seen")
    return [Row(*each) for each in zip(owners, data.features, data.labels, strict=True)]


@pytest.fixture
def dated(world, rows):
    """The daemons; the first hospital's patients have consented as `SAID`."""
    for number in range(PATIENTS):
        say(world, "grant", number, SAID.get(number, WINDOW))
    return [world.hospital(member) for member in world.members]


def say(world, how, number, details):
    """A patient of the first hospital grants or narrows a consent."""
    member, until = world.members[0], world.client.head().timestamp // DAY + 99
    call = getattr(world.contracts.consents, how)
    decide(world, member, number, call(member.dataset, int(Purpose.HMB), until, details))


def inside(rows, said):
    """The records that the patients' consents are about, by these words."""
    years = [int(date[:4]) if date else None for date in DATES]
    return [
        row for at, row in enumerate(rows) if said.get(row.patient, WINDOW).covers(years[at % len(DATES)])
    ]


def trained_on(world, study, rows):
    """The bytes of the first hospital's update if it trained on just these records."""
    site, history = world.hospital(world.members[0])._site, world.study(study)
    entry, number = history.enrolment(site.id), RoundNumber(1)
    place, model = site.place(history, number), site.model(history, number)
    records = Records(np.array([row.features for row in rows]), np.array([row.label for row in rows]))
    weight = len({row.patient for row in rows}) // place.spec.cohort_step * place.spec.cohort_step
    delta = train(place.spec, model, records, entry.seat, number)
    words = place.spec.codec.encode(delta, place.spec.rule.coded_weight(weight))
    return vector_bytes(place.header(site.id), words)


def update_of(world, study):
    return work_of(world, world.members[0]).load(study, RoundNumber(1)).update_file.read_bytes()


def test_a_round_trains_on_the_records_inside_and_on_no_others(world, dated, rows):
    """Manifest, update, disclosure and audit agree on whom and what it used."""
    study, member = world.opened(*dated, rounds=1), world.members[0]
    world.run(*dated, cycles=2)
    used = inside(rows, SAID)
    assert len(used) == PATIENTS + 2
    assert audit(member, "trained")[0]["records"] == len(used)
    assert listed(world, study, member) == set(range(PATIENTS)) - {1}
    assert update_of(world, study) == trained_on(world, study, used)
    world.run(*dated, cycles=6)
    world.client.travel(2 * PHASE)
    hospital, history = world.hospital(member), world.study(study)
    shown = disclosure(world.federation(), history, history.enrolment(hospital.id), hospital.holdings)
    assert {use.patient for use in shown.rounds[0].uses} == {
        member.wallet.account(number).address for number in range(PATIENTS) if number != 1
    }
    shown.patients(manifest_of(world, study), 16, 16)
    report = audit_study(world.federation(), study, (shown,))
    assert report.ok, report.verdict
    assert world.round(study, 1).result.included == 0b111


def test_a_window_narrowed_before_the_training_counts(world, dated, rows):
    """The round is open already: by what the contract keeps now. Who has no record left inside is left out, and lost work is
    made again with the windows of the commitment, whatever was narrowed after it."""
    study, member = world.opened(*dated), world.members[0]
    changed = {0: Details(2014, 2014), 4: Details(2021, 2024)}
    for number, details in changed.items():
        say(world, "narrow", number, details)
    world.run(dated[0])
    used = inside(rows, SAID | changed)
    assert len(used) == PATIENTS - 1
    assert audit(member, "trained")[0]["records"] == len(used)
    made = update_of(world, study)
    assert made == trained_on(world, study, used)
    say(world, "narrow", 3, Details(2014, 2014))
    shutil.rmtree(member.home / "work")
    world.run(world.hospital(member), *dated[1:], cycles=2)
    assert update_of(world, study) == made
    assert listed(world, study, member) == set(range(PATIENTS)) - {1, 4}


def test_a_window_widened_after_the_opening_does_not(world, dated, rows):
    """What counted in the second before the round opened bounds it."""
    study = world.opened(*dated)
    say(world, "grant", 5, NO_DETAILS)
    world.run(dated[0])
    assert update_of(world, study) == trained_on(world, study, inside(rows, SAID))
