"""The work folder: all of a round's work or nothing, and never another under the same commitment by accident."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medfed.errors import StoreUnavailable
from medfed.nodes.state import WorkFolder
from medfed.protocol.cid import cid_of, digest_of
from medfed.protocol.header import Header
from medfed.protocol.manifest import CohortManifest
from medfed.protocol.vector import check_vector
from medfed.types import HospitalId, RoundNumber, StudyId
from tests.rig import studies

STUDY, ROUND = StudyId(1), RoundNumber(2)
HEADER = Header(31337, studies.CONTRACT, STUDY, ROUND, HospitalId(studies.patient("hospital")))
MANIFEST = CohortManifest.of(studies.use(), b"".join(sorted(studies.secret("leaf", n) for n in range(16))))


def words(seed=0):
    return np.random.default_rng(seed).integers(0, 1 << 32, 300, dtype=np.uint32)


@pytest.fixture
def folder(tmp_path):
    return WorkFolder(tmp_path / "work")


def save(folder, seed=0):
    return folder.save(ROUND, HEADER, words(seed), MANIFEST, 16)


def test_what_is_saved_is_what_is_committed_to(folder):
    """The files' CIDs and the vector's root are those of the update, and a new process finds the same."""
    work = save(folder)
    assert digest_of(cid_of(work.update_file)) == work.update.cid
    assert digest_of(cid_of(work.manifest_file)) == work.update.cohort_cid
    found, root = check_vector([work.update_file.read_bytes()], HEADER, 300)
    assert root == work.update.update_root
    assert (found == words()).all()
    assert folder.load(STUDY, ROUND) == work


def test_nothing_is_made_before_something_is_saved(folder, tmp_path):
    assert folder.load(STUDY, ROUND) is None
    folder.clean()
    assert not (tmp_path / "work").exists()


def test_saving_again_replaces(folder):
    """Unreadable work at its place is no obstacle, and what replaces it is whole."""
    first = save(folder)
    (first.update_file.parent / "update.json").write_text("{")
    assert folder.load(STUDY, ROUND) is None
    second = save(folder, seed=1)
    assert folder.load(STUDY, ROUND) == second != first
    assert second.update_file.read_bytes() != b""


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight": "x"}', '{"cid": "zz", "weight": 1}', "null"])
def test_a_damaged_list_is_no_work(folder, text):
    work = save(folder)
    (work.update_file.parent / "update.json").write_text(text)
    assert folder.load(STUDY, ROUND) is None


def test_what_a_kill_left_is_cleaned_and_the_rest_kept(folder, tmp_path):
    work = save(folder)
    (tmp_path / "work" / ".partial-abc").mkdir()
    (tmp_path / "work" / ".partial-abc" / "update.bin").write_bytes(b"half")
    folder.clean()
    assert [path.name for path in (tmp_path / "work").iterdir()] == [str(STUDY)]
    assert folder.load(STUDY, ROUND) == work


def test_a_settled_study_goes_and_others_stay(folder):
    save(folder)
    other = Header(31337, studies.CONTRACT, StudyId(2), ROUND, HEADER.hospital)
    kept = folder.save(ROUND, other, words(), MANIFEST, 16)
    folder.discard(STUDY)
    assert folder.load(STUDY, ROUND) is None
    assert folder.load(StudyId(2), ROUND) == kept
    folder.discard(STUDY)


def test_a_disk_that_takes_nothing_is_tried_again_later(tmp_path):
    (tmp_path / "work").write_text("a file, not a folder")
    with pytest.raises(StoreUnavailable, match=r"work folder .* cannot be written"):
        save(WorkFolder(tmp_path / "work"))


def test_the_list_holds_digests_and_a_weight_only(folder):
    """Nothing in it points to a person."""
    work = save(folder)
    fields = json.loads((work.update_file.parent / "update.json").read_text())
    assert fields.keys() == {"cid", "update_root", "cohort_cid", "cohort_root", "weight"}
