"""The relayer's queue: signed decisions go in, in any order, and reach the chain in the order of signing.

    with open_relayer(place, sender, folder, spread=60) as relayer:
        found = relayer.put(signed)          # durable when it returns; refused ones say why
        while relayer.execute():             # one cycle: posts what is due; false when nothing waits
            time.sleep(min(relayer.pause(), 1))
        told = [relayer.look(each) for each in found]

1. A decision that a later one replaces is not posted (`decisions.needed`). It waits until the later one counts, and takes its
   place when that is refused. Only what the patient has really signed replaces anything, and what is signed for a second to
   come holds back no revocation until then.
2. No transaction has two decisions of one account; whose is next to whose is chance, and so is when: each is due at one of a
   few moments within `spread`, so that those of one moment hide one another. Revocations go first, and are held back for
   ten minutes at most.
3. What the contract would refuse is asked of it and not posted. What it skips is refused, with the name of its error. A contract
   wallet that takes a signature when asked and not in the block is paid for a few times, and then asked no more.
4. A kill loses nothing and doubles nothing: a decision is on disk before it is acknowledged, and noted as posted before it
   is; what was posted is looked for on the chain at the next start.
"""

from __future__ import annotations

import random
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from medfed.chain.clock import ChainClock
from medfed.chain.consent_file import LONGEST_SIGNATURE, Signed
from medfed.chain.keys import signer_of
from medfed.chain.posting import BATCH, post, single
from medfed.chain.sender import Sender
from medfed.errors import ContractRevert
from medfed.nodes.decisions import Decision, DecisionLog, State, identity, needed, replaces
from medfed.nodes.lock import sole
from medfed.protocol.consent import NO_DETAILS, Details
from medfed.protocol.typed import GrantMessage, NarrowMessage, consent_domain, dataset_words, digest
from medfed.rounds.federation import OnChain
from medfed.types import Address, BlockStamp, DatasetId

__all__ = ["MOST_WAITING", "Relayer", "open_relayer"]

MOST_WAITING = 100_000
"""Decisions that a queue holds back at a time."""

_MOMENTS = 8
"""Into how many moments a spread is divided: few enough that decisions meet in one transaction."""
_LONGEST_WAIT_OF_REVOCATIONS = 600
_FIRST_TO_LAST = ("RevokeAll", "Revoke", "Narrow", "Grant")
_TOO_EARLY = ("NothingToNarrow", "NotNarrower")
"""Why the contract refuses a narrowing that comes before its consent; it is tried again after that."""
_LONGEST_AHEAD = 91 * 86_400
_UNTOLD = "the chain refused it in the block, and would take it when asked; look at the account's wallet"
"""In place of the name of an error that there is none of."""
_DENIALS = ("InvalidSignature", _UNTOLD)
"""Why a decision is refused whose wallet took the signature when it came in."""
_MOST_DENIALS = 3
"""Decisions of one account that are paid for so: there is no end of bytes that such a wallet takes for a signature."""


@contextmanager
def open_relayer(
    place: OnChain,
    sender: Sender,
    folder: Path,
    *,
    spread: float = 0.0,
    tell: Callable[[int], object] | None = None,
) -> Iterator[Relayer]:
    """The queue in `folder`, for this process alone while the block runs. Raises `ConfigError` when another has it.

    `spread` is in seconds; `tell` hears how many were posted each time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with sole(folder, "--queue"):
        yield Relayer(place, sender, folder, spread=spread, tell=tell)


class Relayer:
    """One queue on one chain. `wall` and `draw` are given by tests only."""

    def __init__(  # noqa: PLR0913 - what tests set apart
        self,
        place: OnChain,
        sender: Sender,
        folder: Path,
        *,
        spread: float = 0.0,
        tell: Callable[[int], object] | None = None,
        wall: Callable[[], float] = time.time,
        draw: random.Random | None = None,
    ) -> None:
        chain = f"{place.client.chain_id}-{place.client.genesis_hash.hex()[:8]}"
        self._consents, self._client, self._sender = place.contracts.consents, place.client, sender
        self._log = DecisionLog(folder / f"decisions-{chain}.jsonl")
        self._domain = consent_domain(place.client.chain_id, self._consents.address)
        self._clock = ChainClock(place.client)
        self._spread, self._tell, self._wall = spread, tell, wall
        self._draw = draw or secrets.SystemRandom()
        self._datasets = place.contracts.datasets
        self._names: dict[DatasetId, str] = {}
        self._denied: Counter[Address] = Counter()
        self._settled = False

    def put(self, items: Sequence[Signed]) -> list[Decision]:
        """Take decisions into the queue; one answer for each, in their order. One that is refused here is not kept.

        One that waits here already stays as it is; one that something became of is judged anew.
        Raises `StoreUnavailable` when the disk does not take them, `ChainUnavailable`.
        """
        head, room = self._client.head(), MOST_WAITING - len(self._log.waiting())
        found: dict[str, Decision] = {}
        answers = []
        self._names.clear()
        self._denied = Counter(each.patient for each in self._log.all() if each.why in _DENIALS)
        for signed in items:
            decision = self._admitted(signed, head, full=len(found) >= room)
            known = found.get(decision.id) or self._log.get(decision.id)
            if known is not None and known.waits:
                decision = known
            elif decision.waits:
                found[decision.id] = decision
            answers.append(decision)
        self._log.put(list(found.values()))
        return answers

    def look(self, decision: Decision) -> Decision:
        """What has become of it by now."""
        return self._log.get(decision.id) or decision

    def waiting(self) -> list[Decision]:
        """Those of which nothing has become yet."""
        return self._log.waiting()

    def execute(self) -> bool:
        """Post what is due; returns whether anything still waits. After a `Transient` call again."""
        if not self._settled:
            self._settle()
        while batch := self._next():
            self._post(batch)
        return bool(self._log.waiting())

    def pause(self) -> float:
        """Seconds until the next one is due, 0 when one is now or none waits."""
        head, now = self._client.head(), self._wall()
        waits = (max(turn.due - now, self._ahead(turn, head)) for turn in self._turns(head))
        return max(0.0, min(waits, default=0.0))

    # -- what comes in -------------------------------------------------------------------------------------------

    def _unfit(self, signed: Signed, head: BlockStamp) -> str:
        """Why it need not be looked at; empty where it may count."""
        said, here, length = signed.domain, self._domain, len(signed.item.signature)
        if said != here:
            return (
                f"it is signed for contract {said.contract} on chain {said.chain_id}, "
                f"this is {here.contract} on chain {here.chain_id}; sign again"
            )
        if length > LONGEST_SIGNATURE:
            return f"its signature has {length:,} bytes, and no wallet needs more than {LONGEST_SIGNATURE:,}; sign again"
        message = signed.item.message
        if self._clock.remaining(message.issued_at - 1, head) > _LONGEST_AHEAD:
            return "SignatureFromFuture"
        if isinstance(message, GrantMessage | NarrowMessage):
            found = self._called(message.dataset_id)
            if dataset_words(message) != found:
                return f"its dataset is called otherwise by now, {found or 'and there is none of that number'}; sign again"
        return "SignatureExpired" if getattr(message, "deadline", head.timestamp) < head.timestamp else ""

    def _called(self, dataset: DatasetId) -> str:
        """What the chain calls a dataset; empty where there is none. Asked once for all that come together."""
        if dataset not in self._names:
            try:
                self._names[dataset] = self._datasets.describe(dataset)[0]
            except ContractRevert:
                self._names[dataset] = ""
        return self._names[dataset]

    def _admitted(self, signed: Signed, head: BlockStamp, *, full: bool) -> Decision:
        """As it goes into the queue, or refused. What a stranger made up must not replace what the patient signed."""
        why = self._unfit(signed, head)
        if why:
            return Decision("", signed, 0.0, State.REFUSED, why)
        decision = Decision(identity(signed), signed, 0.0, State.REFUSED)
        if full:
            return replace(
                decision, why=f"the queue holds {MOST_WAITING:,} decisions already; try again later"
            )
        if not self._is_signed(decision):
            return replace(decision, why="InvalidSignature")
        return replace(decision, due=self._moment(decision.revokes), state=State.QUEUED)

    def _moment(self, revokes: bool) -> float:
        """One of the next moments, which are the same for everybody: what comes at different times can meet there."""
        span = min(self._spread, _LONGEST_WAIT_OF_REVOCATIONS) if revokes else self._spread
        step = span / _MOMENTS
        return (self._wall() // step + self._draw.randint(1, _MOMENTS)) * step if span else 0.0

    def _is_signed(self, decision: Decision) -> bool:
        """By the patient's key, or as the patient's contract wallet says now."""
        item = decision.signed.item
        said = digest(self._domain, item.message)
        if signer_of(said, item.signature) == decision.patient:
            return True
        before = self._log.get(decision.id)
        if self._denied[decision.patient] >= _MOST_DENIALS or (before is not None and before.why in _DENIALS):
            return False
        return bool(self._client.code(decision.patient)) and self._consents.is_wallet_signature(
            decision.patient, said, item.signature
        )

    # -- what goes out -------------------------------------------------------------------------------------------

    def _next(self) -> list[Decision]:
        """The next transaction: of each account one, all of one kind, and due; in random order."""
        head, now = self._client.head(), self._wall()
        due = [turn for turn in self._turns(head) if turn.due <= now and not self._ahead(turn, head)]
        for kind in _FIRST_TO_LAST:
            chosen = [each for each in due if each.kind == kind]
            if chosen:
                return self._draw.sample(chosen, min(len(chosen), BATCH))
        return []

    def _turns(self, head: BlockStamp) -> list[Decision]:
        """Whose turn it is in each account."""
        found: defaultdict[str, list[Decision]] = defaultdict(list)
        for each in self._log.waiting():
            found[each.patient].append(each)
        return [self._turn(each, head) for each in found.values()]

    def _turn(self, waiting: list[Decision], head: BlockStamp) -> Decision:
        """A revocation, before which nothing about its dataset is left to post, else the first; one that is signed for a second to
        come when nothing else is left. Until then that one may keep a consent back that it will end, and no revocation."""
        come = {each.id for each in waiting if not self._ahead(each, head)}
        revoking = needed(each for each in waiting if each.revokes and each.id in come)
        if revoking:
            return revoking[0]
        chain = needed(waiting)
        return next((each for each in chain if each.id in come), chain[0])

    def _ahead(self, decision: Decision, head: BlockStamp) -> float:
        """Seconds until the second that it is signed for, 0 once that has come."""
        return self._clock.remaining(decision.issued_at - 1, head)

    def _post(self, batch: list[Decision]) -> None:
        head = self._client.head()
        good = [each for each in batch if self._would_count(each, head)]
        if not good:
            return
        self._log.mark({State.POSTED: good})
        self._settled = False  # until what became of them is noted
        skipped = post(self._consents, self._sender, [each.signed.item for each in good])
        names = {entry.index: entry.reason or _UNTOLD for entry in skipped}
        self._count([each for index, each in enumerate(good) if index not in names])
        for index, name in names.items():
            self._refuse(good[index], name)
        self._settled = True
        if self._tell is not None:
            self._tell(len(good))

    def _would_count(self, decision: Decision, head: BlockStamp) -> bool:
        """Ask the contract, and note it where it would not. One that is signed for later than the newest block cannot be
        asked about."""
        if decision.issued_at > head.timestamp:
            return True
        try:
            self._client.read(single(self._consents, decision.signed.item), sender=self._sender.address)
        except ContractRevert as exc:
            self._refuse(decision, exc.name)
            return False
        return True

    # -- what became of it ---------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """What an earlier run left open: its transactions are brought to their end, and their decisions looked for."""
        self._sender.recover()
        posted = [each for each in self._log.waiting() if each.state is State.POSTED]
        there = [each for each in posted if self._is_on_chain(each)]
        self._count(there)
        self._log.mark({State.QUEUED: [each for each in posted if each not in there]})
        self._settled = True

    def _refuse(self, decision: Decision, name: str) -> None:
        """A decision that is on the chain already is overtaken by itself: it counts."""
        if name == "Overtaken" and self._is_on_chain(decision):
            self._count([decision])
        else:
            self._log.mark({State.REFUSED: [decision]}, name)

    def _count(self, decisions: list[Decision]) -> None:
        """Note that they count, what is replaced by them, and which narrowings came before the consent that they narrow."""
        later = {each.patient: each for each in decisions}
        concerned = [each for each in self._log.all() if each.patient in later]
        gone = [each for each in concerned if each.waits and replaces(later[each.patient], each)]
        early = [each for each in concerned if each.why in _TOO_EARLY and _narrows(each, later[each.patient])]
        self._log.mark({State.COUNTED: decisions, State.REPLACED: gone, State.QUEUED: early})

    def _is_on_chain(self, decision: Decision) -> bool:
        """Whether the latest word, or revoke-all, of the account is this decision."""
        message = decision.signed.item.message
        if decision.dataset is None:
            return self._consents.revoke_all_word(decision.patient).signed_at == decision.issued_at
        [state] = self._consents.states([decision.patient], decision.dataset)
        said: tuple[int, int, Details] = 0, 0, NO_DETAILS
        if isinstance(message, GrantMessage | NarrowMessage):
            window = Details(message.data_from, message.data_until, message.form)
            said = message.purposes, message.expiry_day, window
        word = state.word
        return (word.signed_at, word.allowed, word.expiry_day, state.details) == (decision.issued_at, *said)


def _narrows(decision: Decision, consent: Decision) -> bool:
    """Whether it may be about this consent."""
    return decision.dataset == consent.dataset and consent.order() < decision.order()
