"""Those who lie in `medfed demo --attack`: a hospital's own daemon with one thing changed in each. Nothing of this is
part of a hospital's daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfed.chain.sender import Sender
from medfed.config import HospitalConfig
from medfed.data.cohort import Cohort
from medfed.data.dataset import Dataset
from medfed.errors import ContractRevert
from medfed.learning.attacks import Attack, Scene
from medfed.learning.models import Model, model_bytes
from medfed.learning.server import next_model
from medfed.nodes.attesting import Attesting
from medfed.nodes.claiming import Claiming
from medfed.nodes.hospital import Hospital
from medfed.nodes.publishing import Publishing
from medfed.nodes.reviewing import Reviewing
from medfed.nodes.site import Site
from medfed.nodes.state import WorkFolder
from medfed.nodes.training import Training
from medfed.protocol.chunks import CHUNK_BYTES, CHUNK_WORDS, ChunkHasher
from medfed.protocol.cid import cid_of, digest_of
from medfed.protocol.commitments import Aggregate, seats_in
from medfed.protocol.phase import training_ends
from medfed.protocol.randomness import generator
from medfed.protocol.vector import seal, vector_bytes
from medfed.rounds.cohort import round_cohort
from medfed.rounds.disputes import Claim, ContestBook
from medfed.rounds.federation import Federation
from medfed.rounds.history import Enrolment, RoundHistory, StudyHistory, read_round, read_study
from medfed.rounds.recompute import Outcome, RoundPlace, RoundSum
from medfed.types import RoundNumber

__all__ = ["LIES", "Absent", "Colluder", "Overreacher", "Poisoner", "Refusal", "honest_updates"]

Words = NDArray[np.uint32]
Deltas = NDArray[np.float64]
Witness = Callable[[RoundPlace, Model], Deltas]

_REFUSED = ("SetIncomplete", "WrongTotalWeight")
"""What a contract says of a claim that cannot be right whatever the words are."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A lie that the contract did not take, and the name of its error."""

    number: RoundNumber
    lie: str
    error: str


# -- lies about an aggregate -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scene:
    """What an aggregator knows when it makes up its claim."""

    site: Site
    study: StudyHistory
    history: RoundHistory
    honest: Outcome

    @property
    def place(self) -> RoundPlace:
        return self.site.place(self.study, self.history.number)


def _wrong_word(scene: _Scene) -> Aggregate:
    """The first word is one too large; the bytes are there to see."""
    forged = _with_a_wrong_word(scene)
    scene.site.store.put(forged.aggregate_file)
    return forged.aggregate


def _wrong_length(scene: _Scene) -> Aggregate:
    """The right words, and a chunk of zeros behind them."""
    file = scene.honest.aggregate_file + bytes(CHUNK_BYTES)
    hasher = ChunkHasher()
    hasher.add(file)
    cid = scene.site.store.put(file)
    return replace(scene.honest.aggregate, cid=digest_of(cid), root=hasher.root())


def _withheld_bytes(scene: _Scene) -> Aggregate:
    """A wrong word again, and nobody is shown the bytes."""
    return _with_a_wrong_word(scene).aggregate


def _wrong_model(scene: _Scene) -> Aggregate:
    """The right aggregate, and the model that the round began with: nothing was learnt."""
    spec = scene.place.spec
    before = model_bytes(scene.site.model(scene.study, scene.history.number), spec)
    return replace(scene.honest.aggregate, model=digest_of(cid_of(before)))


def _left_out(scene: _Scene) -> Aggregate:
    """Says that all updates are in it, and lacks the first."""
    total = _without_the_first(scene)
    shown = scene.honest.aggregate
    forged = _made(scene, total.words(), shown)
    scene.site.store.put(forged.aggregate_file)
    return forged.aggregate


def _left_out_openly(scene: _Scene) -> Aggregate:
    """Lacks the first update, and says so."""
    total = _without_the_first(scene)
    return total.outcome(scene.site.model(scene.study, scene.history.number)).aggregate


def _wrong_weight(scene: _Scene) -> Aggregate:
    """The right words, said to be of more patients."""
    return replace(
        scene.honest.aggregate, weight=scene.honest.aggregate.weight + scene.study.terms.cohort_step
    )


def _without_the_first(scene: _Scene) -> RoundSum:
    total = RoundSum(scene.place, {each.seat: each for each in scene.study.enrolments})
    first = seats_in(scene.honest.aggregate.included)[0]
    others = {seat: update for seat, update in scene.history.updates.items() if seat != first}
    total.add(scene.site.store, others)
    return total


def _with_a_wrong_word(scene: _Scene) -> Outcome:
    whole = np.frombuffer(scene.honest.aggregate_file, dtype=">u4").astype(np.uint32)
    words = whole[CHUNK_WORDS : CHUNK_WORDS + scene.place.spec.size]
    words[0] += np.uint32(1)
    return _made(scene, words, scene.honest.aggregate)


def _made(scene: _Scene, words: Words, shown: Aggregate) -> Outcome:
    """What follows from `words`, said to be of the set and weight of `shown`."""
    place, model = scene.place, scene.site.model(scene.study, scene.history.number)
    divisor = place.spec.rule.divisor(shown.included.bit_count(), shown.weight)
    file = model_bytes(next_model(model, words, divisor, place.spec), place.spec)
    sealed = seal(place.header(), words)
    aggregate = replace(shown, cid=digest_of(sealed.cid), root=sealed.root, model=digest_of(cid_of(file)))
    return Outcome(aggregate, vector_bytes(place.header(), words), file)


LIES: Mapping[str, Callable[[_Scene], Aggregate]] = {
    "wrong word": _wrong_word,
    "wrong length": _wrong_length,
    "withheld bytes": _withheld_bytes,
    "wrong model CID": _wrong_model,
    "left-out update": _left_out,
    "left out, openly": _left_out_openly,
    "wrong weight": _wrong_weight,
}
"""By name: how an aggregator makes up its claim."""


# -- liars -------------------------------------------------------------------------------------------------------------


class Absent(Hospital):
    """Trains, and attests to nothing. In the rounds of `lies` it claims, against its bond, what is not so: the first lie that
    the contract takes."""

    def __init__(
        self,
        federation: Federation,
        sender: Sender,
        config: HospitalConfig,
        home: Path,
        lies: Mapping[RoundNumber, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(federation, sender, config, home)
        self._attesting = _Silent(self._site)
        self._lying = _LyingClaims(self._site, self._attesting, lies or {})
        self._claiming = self._lying

    @property
    def refusals(self) -> list[Refusal]:
        """The lies that the contract did not take."""
        return self._lying.refusals

    @property
    def told(self) -> Mapping[RoundNumber, str]:
        """Those that it took."""
        return self._lying.told


class Colluder(Hospital):
    """Attests to one wrong word in one round, as all of its kind do."""

    def __init__(
        self,
        federation: Federation,
        sender: Sender,
        config: HospitalConfig,
        home: Path,
        number: RoundNumber,
    ) -> None:
        super().__init__(federation, sender, config, home)
        self._attesting = _LyingAttesting(self._site, number)
        self._claiming = Claiming(self._site, self._attesting)


class Poisoner(Hospital):
    """Sends what an attack makes of its update. It knows the honest updates of the round by `witness`."""

    def __init__(
        self,
        federation: Federation,
        sender: Sender,
        config: HospitalConfig,
        home: Path,
        how: tuple[Attack, Witness],
    ) -> None:
        super().__init__(federation, sender, config, home)
        self._training = _Poisoning(self._site, self._folder, how)
        self._publishing = Publishing(self._site, self._folder, self._training)
        self._reviewing = Reviewing(self._site, self._folder, self._training)


class Overreacher(Hospital):
    """Sends, in one round, an update with a word beyond what its weight allows."""

    def __init__(
        self,
        federation: Federation,
        sender: Sender,
        config: HospitalConfig,
        home: Path,
        number: RoundNumber,
    ) -> None:
        super().__init__(federation, sender, config, home)
        self._training = _Overreaching(self._site, self._folder, number)
        self._publishing = Publishing(self._site, self._folder, self._training)
        self._reviewing = Reviewing(self._site, self._folder, self._training)


class _Silent(Attesting):
    def attest(self, study: StudyHistory, entry: Enrolment, history: RoundHistory, now: int) -> int:
        del study, entry, history, now
        return 0


class _LyingClaims(Claiming):
    """Does not wait for its turn: as soon as anybody may claim, it does. It finds fault with no other liar's claim."""

    def __init__(self, site: Site, attesting: Attesting, lies: Mapping[RoundNumber, Sequence[str]]) -> None:
        super().__init__(site, attesting)
        self._lies = {number: list(names) for number, names in lies.items()}
        self.refusals: list[Refusal] = []
        self.told: dict[RoundNumber, str] = {}

    def _judge(self, entry: Enrolment, book: ContestBook, claim: Claim, now: int) -> None:
        del entry, book, claim, now

    def _may_claim(
        self, study: StudyHistory, entry: Enrolment, history: RoundHistory, book: ContestBook, now: int
    ) -> bool:
        del entry, book
        opens = training_ends(history.facts(study.terms)) + study.terms.aggregating_seconds // 2
        return bool(self._lies.get(history.number)) and now >= opens

    def _claim(self, study: StudyHistory, entry: Enrolment, history: RoundHistory) -> None:
        outcome, _ = self._attesting.complete(study, history)
        lies = self._lies[history.number]
        while outcome is not None and lies:
            aggregate = LIES[lies[0]](_Scene(self._site, study, history, outcome))
            place = (study.study, history.number, entry.seat)
            call = self._site.contracts.claims.submit_aggregate(*place, aggregate)
            try:
                self._site.send("lie", call, study=study.study, round=history.number)
            except ContractRevert as exc:
                if exc.name not in _REFUSED:
                    raise
                self.refusals.append(Refusal(history.number, lies.pop(0), exc.name))
            else:
                self.told[history.number] = lies[0]
                lies.clear()


class _LyingAttesting(Attesting):
    def __init__(self, site: Site, number: RoundNumber) -> None:
        super().__init__(site)
        self._number = number

    def _outcome(self, study: StudyHistory, history: RoundHistory, total: RoundSum) -> Outcome:
        honest = super()._outcome(study, history, total)
        if history.number != self._number:
            return honest
        return _with_a_wrong_word(_Scene(self._site, study, history, honest))


class _Poisoning(Training):
    def __init__(self, site: Site, folder: WorkFolder, how: tuple[Attack, Witness]) -> None:
        super().__init__(site, folder)
        self._attack, self._witness = how

    def _words(self, place: RoundPlace, entry: Enrolment, cohort: Cohort, model: Model) -> Words:
        own = _trained(self._site.holdings.dataset, place, entry, (cohort, model), self._attack.flips_labels)
        rng = generator(place.spec.seed, "attack", place.spec.digest, place.number)
        delta = self._attack.forge(Scene(self._witness(place, model), own, 1, rng))
        return place.spec.codec.encode(delta, place.spec.rule.coded_weight(cohort.weight))


class _Overreaching(Training):
    def __init__(self, site: Site, folder: WorkFolder, number: RoundNumber) -> None:
        super().__init__(site, folder)
        self._number = number

    def _words(self, place: RoundPlace, entry: Enrolment, cohort: Cohort, model: Model) -> Words:
        words = super()._words(place, entry, cohort, model)
        if place.number == self._number:
            words[0] = np.uint32(1 << 31)  # the largest size that there is
        return words


def _trained(
    dataset: Dataset, place: RoundPlace, entry: Enrolment, what: tuple[Cohort, Model], flipped: bool = False
) -> Deltas:
    from medfed.learning.train import Records, train  # torch: 2 s, only for those who train

    cohort, model = what
    labels = dataset.labels[cohort.rows]
    records = Records(dataset.matrix(place.spec.columns)[cohort.rows], 1.0 - labels if flipped else labels)
    return train(place.spec, model, records, entry.seat, place.number)


def honest_updates(federation: Federation, others: Sequence[Hospital]) -> Witness:
    """What the `others` train in a round, as an attacker who knows everything sees it."""

    def witness(place: RoundPlace, model: Model) -> Deltas:
        study = read_study(federation.index, place.study)
        history = read_round(federation.index, place.study, place.number)
        found = []
        for other in others:
            entry = study.enrolment(other.id)
            assert entry is not None  # every site of the demo is enrolled
            cohort = round_cohort(federation.index, place, history, entry, other.holdings)
            if cohort is not None:
                found.append(_trained(other.holdings.dataset, place, entry, (cohort, model)))
        return np.stack(found)

    return witness
