"""The hospital's own word before anything is trained: which studies it takes part in, and who approved them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from medfed.config import PolicySettings
from medfed.data.private_file import write_private
from medfed.errors import ConfigError, InputError, PolicyRefusal
from medfed.protocol import purposes as duo
from medfed.protocol.cid import cid_from_digest
from medfed.protocol.documents import StudySpec
from medfed.rounds.history import StudyHistory
from medfed.types import StudyId

__all__ = ["Approval", "approve", "check_policy", "check_sponsor", "confirmed", "read_approvals"]


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's word for one study: its number, its spec, who approved it, under which ethics number."""

    study: int
    spec_cid: str
    approver: str
    ethics: str
    at: str


def check_policy(
    policy: PolicySettings, study: StudyHistory, spec: StudySpec, approvals: list[Approval]
) -> None:
    """Raise `PolicyRefusal` with the first rule that the study breaks."""
    check_sponsor(policy, study)
    _check_purposes(policy, study, spec)
    if spec.model.kind not in policy.models:
        raise PolicyRefusal(
            f"Models of kind {spec.model.kind} are not among those that this hospital's policy allows."
        )
    if study.terms.stake > policy.largest_stake:
        raise PolicyRefusal(
            f"The study asks for a stake of {study.terms.stake}, the policy allows {policy.largest_stake}."
        )
    if policy.approval:
        _check_approval(study, approvals)


def confirmed(policy: PolicySettings, study: StudyId) -> int:
    """The parameterised conditions that the hospital confirms for a study, as bits. Raises `ConfigError` for others."""
    found = 0
    for entry in policy.confirms:
        codes = _parsed(entry.codes)
        if codes & ~duo.PARAMETERISED:
            known = ", ".join(duo.names(duo.PARAMETERISED))
            raise ConfigError(
                f"The policy confirms {entry.codes} for study {entry.study}; only {known} are confirmed."
            )
        found |= codes if entry.study == study else 0
    return found


def _parsed(codes: str) -> int:
    try:
        return duo.parse(codes)
    except InputError as exc:
        raise ConfigError(f"The policy confirms what is no purpose: {exc}") from None


def _check_purposes(policy: PolicySettings, study: StudyHistory, spec: StudySpec) -> None:
    allowed = duo.parse(policy.purposes) if policy.purposes else 0
    known = confirmed(policy, study.study)
    missing = spec.purposes & duo.PARAMETERISED & ~known
    if missing:
        codes = ", ".join(f"{duo.meaning(duo.Purpose[name])} ({name})" for name in duo.names(missing))
        raise PolicyRefusal(
            f"Study {study.study} takes the hospital's word for this, and its policy does not give it: {codes}. Look at the study; where it "
            f"holds, write into the hospital's file: `[[policy.confirms]]`, and below it `study = {study.study}`, "
            f'`codes = "{",".join(duo.names(missing))}"`, and `because = "…"` with the reason.'
        )
    try:
        duo.check_confirmable(spec.purposes, known)
    except InputError as exc:
        raise PolicyRefusal(
            f"Study {study.study} is not what this hospital's policy confirms: {exc}"
        ) from None
    if not allowed or not duo.permits_study(allowed, policy.disease, spec.purposes, spec.disease):
        raise PolicyRefusal(
            f"The study's purpose, {duo.describe_request(spec.purposes)}, is not one that this hospital's policy allows."
        )


def check_sponsor(policy: PolicySettings, study: StudyHistory) -> None:
    """Raise `PolicyRefusal` when the policy does not know the study's sponsor; needs nothing of the sponsor's bytes."""
    known = {sponsor.lower() for sponsor in policy.sponsors}
    if "*" not in known and study.sponsor.lower() not in known:
        raise PolicyRefusal(
            f"Sponsor {study.sponsor} is not among the sponsors that this hospital's policy allows."
        )


def _check_approval(study: StudyHistory, approvals: list[Approval]) -> None:
    cid = cid_from_digest(study.terms.spec)
    if not any(entry.study == study.study and entry.spec_cid == cid for entry in approvals):
        raise PolicyRefusal(
            f"Study {study.study} needs a person's approval: read its spec, then "
            f"`medfed hospital policy --approve {study.study} --ethics NUMBER --approver NAME`."
        )


def read_approvals(path: Path) -> list[Approval]:
    """The approvals given so far; none when the file does not exist. Raises `ConfigError` for a damaged file."""
    if not path.exists():
        return []
    try:
        return [Approval(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as exc:
        raise ConfigError(f"The approvals in {path} cannot be read; restore the file from a backup.") from exc


def approve(path: Path, study: StudyHistory, approver: str, ethics: str) -> Approval:
    """Add a person's approval of the study's present spec. Raises `ConfigError` without a name or an ethics number."""
    if not approver.strip() or not ethics.strip():
        raise ConfigError("An approval needs the approver's name and the ethics number.")
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    entry = Approval(study.study, cid_from_digest(study.terms.spec), approver.strip(), ethics.strip(), at)
    entries = [*read_approvals(path), entry]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps([asdict(each) for each in entries], indent=1).encode())
    return entry
