"""Random histories of one patient's consent, played on the reference; the contract's tests play them on a chain."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from medfed.errors import ContractRevert
from medfed.protocol import consent
from medfed.protocol.purposes import Purpose

PATIENT, OWNER = "0x" + "11" * 20, "0x" + "22" * 20
DATASETS = (1, 2)
START = 1_800_000_000
TODAY = START // consent.DAY
PURPOSES = [
    int(bits)
    for bits in (
        Purpose.GRU,
        Purpose.HMB,
        Purpose.HMB | Purpose.IRB,
        Purpose.DS,
        Purpose.DS | Purpose.NPU | Purpose.NCU,
        Purpose.POA,
        Purpose.IRB,  # permits nothing
        1 << 7,  # means nothing
    )
]
REQUESTS = [
    int(bits)
    for bits in (
        Purpose.HMB,
        Purpose.DS | Purpose.IRB,
        Purpose.HMB | Purpose.IRB | Purpose.NPUNCU,
        Purpose.DS | Purpose.NPUNCU,
        Purpose.POA,
        Purpose.HMB | Purpose.DS,  # no request
    )
]


@dataclass(frozen=True)
class Wait:
    seconds: int


@dataclass(frozen=True)
class Change:
    """`kind` is grant, narrow, revoke, revoke_all, or revoke_for by the dataset's owner."""

    kind: str
    dataset: int
    purposes: int
    expiry_day: int

    def event(self, signed_at: int, at: int) -> consent.Event:
        if self.kind == "revoke_all":
            return consent.AllRevoked(PATIENT, signed_at, at)
        if self.kind in ("revoke", "revoke_for"):
            by = PATIENT if self.kind == "revoke" else OWNER
            return consent.Revoked(PATIENT, self.dataset, by, signed_at, at)
        kind = consent.Granted if self.kind == "grant" else consent.Narrowed
        return kind(PATIENT, self.dataset, self.purposes, self.expiry_day, signed_at, at)


@dataclass(frozen=True)
class Sign:
    """The patient signs a change and keeps it; `age` seconds old, and a consent good for `life` seconds more."""

    change: Change
    age: int
    life: int


@dataclass(frozen=True)
class Post:
    """A relayer brings a signature that was made earlier, again and again if it likes."""

    which: int


Step = Wait | Change | Sign | Post


def changes(kinds):
    expiries = [TODAY, TODAY + 1, TODAY + 2, TODAY + 30, consent.NO_EXPIRY]
    return st.builds(
        Change,
        st.sampled_from(kinds),
        st.sampled_from(DATASETS),
        st.sampled_from(PURPOSES),
        st.sampled_from(expiries),
    )


SIGNABLE = ["grant", "grant", "narrow", "revoke", "revoke_all"]
WAITS = st.builds(Wait, st.sampled_from([0, 1, 1, 2, 60, 43_200, consent.DAY]))
CALLS = changes([*SIGNABLE, "revoke_for"])
SIGNS = st.builds(
    Sign, changes(SIGNABLE), st.sampled_from([-1, 0, 0, 0, 1, 60]), st.sampled_from([0, 60, 10**6])
)
POSTS = st.builds(Post, st.integers(0, 5))
HISTORIES = st.lists(st.one_of(WAITS, CALLS, CALLS, SIGNS, POSTS), max_size=30)


@dataclass(frozen=True)
class Signed:
    """What a patient signed, and what the signature says of its own time; a revocation has no deadline."""

    change: Change
    issued_at: int
    deadline: int | None


@dataclass
class Reference:
    """The Python reference, taking steps; `play` returns the name of the error, or None where the step counted."""

    now: int = START
    events: list[consent.Event] = field(default_factory=list)
    signed: list[Signed] = field(default_factory=list)

    def state(self, dataset: int) -> consent.State:
        return consent.replay(self.events, PATIENT, dataset)

    def play(self, step: Step) -> str | None:
        match step:
            case Wait():
                self.now += step.seconds
            case Sign():
                self.signed.append(self.sign(step))
            case Change():
                return self.bring(step, None)
            case Post() if self.signed:
                signed = self.signed[step.which % len(self.signed)]
                return self.bring(signed.change, signed)
        return None

    def sign(self, step: Sign) -> Signed:
        ends = step.change.kind in ("revoke", "revoke_all")
        return Signed(step.change, self.now - step.age, None if ends else self.now + step.life)

    def bring(self, change: Change, signed: Signed | None) -> str | None:
        event = change.event(signed.issued_at if signed else self.now, self.now)
        state = self.state(change.dataset)
        try:
            if signed is not None:
                consent.check_signed(state, event, signed.deadline)
            elif isinstance(event, consent.Granted | consent.Narrowed):
                consent.check_call(state, event)
            consent.apply(state, event)
        except ContractRevert as refusal:
            return refusal.name
        self.events.append(event)
        return None
