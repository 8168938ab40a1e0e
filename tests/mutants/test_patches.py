"""The mutants still fit the contracts; `python -m tests.mutants` plays the campaign against them, which takes longer."""

from __future__ import annotations

import shutil

import pytest

from tests.mutants.__main__ import ROOT, apply, patches, title

FAULTS = 19


def test_each_fault_has_its_patch():
    assert [patch.name[:2] for patch in patches([])] == [f"{number:02}" for number in range(1, FAULTS + 1)]


@pytest.mark.parametrize("patch", patches([]), ids=lambda patch: patch.stem)
def test_a_patch_fits_and_changes_a_few_lines_of_contracts(patch, tmp_path):
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts")

    apply(patch, tmp_path)

    lines = patch.read_text(encoding="utf-8").splitlines()
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert title(patch).endswith(".")
    assert 1 <= len(changed) <= 8
    assert any(
        (tmp_path / path).read_bytes() != (ROOT / path).read_bytes()
        for path in (line[6:] for line in lines if line.startswith("+++ b/"))
    )


def test_a_patch_that_does_not_fit_is_told(tmp_path):
    (tmp_path / "contracts").mkdir()

    with pytest.raises(ValueError, match="does not fit"):
        apply(patches(["01"])[0], tmp_path)


def test_a_name_that_is_none_s_is_refused():
    with pytest.raises(ValueError, match="begins with 99"):
        patches(["99"])
