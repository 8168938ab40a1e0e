"""Whether what the disputes, rewards and market contracts keep of a study bears out their events, and follows from the
rules: claims and objections, where slashed tokens went, reviews, patients' pay, the model's licences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.contracts.rounds import ScoreMode
from medfed.errors import ProtocolError
from medfed.protocol.commitments import bitmap
from medfed.rounds.disputes import CONTESTED, NOBODY, SLASHING, Claim, ContestBook, SlashBook, place_of
from medfed.rounds.evidence import Evidence
from medfed.rounds.history import RoundHistory
from medfed.rounds.licences import FeeBook, round_shares
from medfed.rounds.scores import Tally, tally
from medfed.rounds.settle import BPS
from medfed.types import Address, Seat

__all__ = ["Proceedings"]

_ROUND_KEPT = ("used", "era", "held_until", "authors")


@dataclass(frozen=True)
class Proceedings:
    """What followed from a study's rounds, beside their results."""

    evidence: Evidence

    # -- disputes ------------------------------------------------------------------------------------------------

    def check_contest(self, history: RoundHistory) -> ContestBook:
        """A round's claims and objections, replayed and held against storage."""
        evidence, number = self.evidence, history.number
        contract, study = evidence.federation.contracts.disputes, history.study
        refuted = [(event["round"], place_of(event)) for event in evidence.events("RoundRefuted")]
        found = [event for name in CONTESTED for event in evidence.events(name, round=number)]
        book = ContestBook(evidence.study.terms, history, refuted).replay(found)
        stored = asdict(contract.contest(study, number, evidence.block))
        told = {name: getattr(book, name) for name in _ROUND_KEPT}
        told |= {"count": len(book.claims), "objectors": stored["objectors"]}
        evidence.expect(
            stored == told
            and stored["objectors"].bit_count() == book.objections
            and not stored["objectors"] & ~history.submitted,
            "what is contested in the round, by the chain, is not what the events say",
        )
        for attempt, claim in enumerate(book.claims):
            kept = contract.attempt(study, number, attempt, evidence.block)
            same = ("aggregate_hash", "state", "seat", "era", "made_at", "challenger", "objector")
            evidence.expect(
                all(getattr(kept, name) == getattr(claim, name) for name in same),
                f"claim {attempt} on chain is not what the events say",
            )
        return book

    def check_slashes(self, claims: Mapping[int, list[Claim]]) -> None:
        """Every slash: its cause, its amount, the challenger's share, where the rest went; and who is barred since."""
        evidence, disputes = self.evidence, self.evidence.federation.contracts.disputes
        shares = disputes.slash_bps(evidence.block), disputes.challenger_bps(evidence.block)
        found = [event for name in SLASHING for event in evidence.events(name)]
        book = SlashBook(evidence.study, *shares).replay(found, claims)
        for seat, left in book.left.items():
            taken = (
                evidence.study.terms["stake"] if seat in book.struck else evidence.study.terms["stake"] - left
            )
            kept = disputes.slashed(evidence.study.study, seat, evidence.block)
            evidence.expect(kept == taken, f"the study took {kept} of the stake of seat {seat}, not {taken}")
        barred = [claims[e["round"]][e["attempt"]].seat for e in evidence.events("AttemptRefuted")]
        evidence.expect(
            disputes.barred(evidence.study.study, evidence.block) == bitmap(barred),
            "other seats are barred from claims than those that were proved wrong",
        )

    # -- rewards -------------------------------------------------------------------------------------------------

    def check_reviews(self, history: RoundHistory) -> Tally | None:
        """The reviews of a round and their medians, recomputed; None in a study without reviews."""
        evidence = self.evidence
        if evidence.study.terms["score_mode"] != ScoreMode.REVIEWED:
            return None
        where = {"round": history.number}
        committed = bitmap([Seat(e["seat"]) for e in evidence.events("ReviewCommitted", **where)])
        reviews = {Seat(e["seat"]): tuple(e["scores"]) for e in evidence.events("ReviewRevealed", **where)}
        revealed, tallied = bitmap(list(reviews)), evidence.events("ReviewsTallied", **where)
        evidence.expect(
            not revealed & ~committed and not committed & ~history.submitted,
            "somebody reviewed the round who had not submitted, or revealed without a commitment",
        )
        included = history.result.included if history.result else 0
        found = tally(reviews, history.submitted, included & ~bitmap(list(history.struck)))
        for event in tallied:
            evidence.expect(
                (list(event["scores"]), event["total"]) == (list(found.scores.values()), found.total),
                "the tally of the reviews is not what their medians come to",
            )
        told = {
            "committed": committed,
            "revealed": revealed,
            "total": found.total if tallied else 0,
            "tallied": bool(tallied),
            "counted": bool(tallied and found.revealers),
        }
        stored = asdict(
            evidence.federation.contracts.rewards.review(history.study, history.number, evidence.block)
        )
        evidence.expect(stored == told, "the reviews on chain are not what the events say")
        return found if tallied else Tally(dict.fromkeys(found.scores, 0), 0)

    def check_patients(self, history: RoundHistory, reward: int) -> dict[Seat, list[Address]]:
        """What patients were paid for a round, to the smallest unit. Returns who was, by seat."""
        terms, result = self.evidence.study.terms, history.result
        pool = reward * terms["patient_bps"] // BPS
        found: dict[Seat, list[Address]] = {}
        for event in self.evidence.events("PatientPaid", round=history.number):
            seat = Seat(event["seat"])
            self.evidence.expect(
                result is not None and result.included >> seat & 1 == 1 and seat not in history.struck,
                f"patients of seat {seat} were paid, whose update earned nothing",
            )
            weight = history.updates[seat].weight
            due = pool * weight // ((weight + terms["cohort_step"]) * history.weight)
            self.evidence.expect(
                event["amount"] == due,
                f"a patient of seat {seat} was paid {event['amount']}, its due is {due}",
            )
            found.setdefault(seat, []).append(event["patient"])
        for seat, patients in found.items():
            most = history.updates[seat].weight + terms["cohort_step"] - 1
            self.evidence.expect(
                len(patients) <= most,
                f"{len(patients)} patients of seat {seat} were paid, its cohort has fewer",
            )
        return found

    def check_sweep(self) -> None:
        """What nobody claimed went to the sponsor, and not early."""
        evidence, study = self.evidence, self.evidence.study
        for event in evidence.events("Swept"):
            delay = evidence.federation.contracts.rewards.sweep_delay(evidence.block)
            opens = study.ended_at + study.terms["dispute_seconds"] + delay
            evidence.expect(event["sponsor"] == study.sponsor, f"the pot was swept to {event['sponsor']}")
            evidence.expect(
                bool(study.ended) and (event.time or 0) >= opens, "the pot was swept before anybody may"
            )

    # -- the market ----------------------------------------------------------------------------------------------

    def check_market(
        self, histories: Mapping[int, RoundHistory], reviews: Mapping[int, Tally | None]
    ) -> None:
        """The registered model, its shares, each licence and each fee that was shared out."""
        shares = self._check_credits(histories, reviews)
        for event in self.evidence.events("ModelRegistered"):
            self._check_registered(event, histories, shares)
        self._check_model()
        self._check_licences()
        self._check_fees(histories, shares)
        self._check_moves()

    def _check_credits(
        self, histories: Mapping[int, RoundHistory], reviews: Mapping[int, Tally | None]
    ) -> dict[Seat, int]:
        """The book of scores so far, recomputed."""
        evidence = self.evidence
        credited: dict[int, int] = {}
        for event in evidence.events("Credited"):
            earlier = credited.get(event["round"], 0)
            evidence.expect(
                not earlier & ~event["seats"], f"seats of round {event['round']} left the book of scores"
            )
            credited[event["round"]] = event["seats"]
        shares = {entry.seat: 0 for entry in evidence.study.enrolments}
        for number, seats in credited.items():
            earned = round_shares(evidence.study.terms, histories[number], reviews[number])
            evidence.expect(
                not seats & ~bitmap(list(earned)),
                f"round {number} was credited to a seat that did not earn in it",
            )
            for seat, share in earned.items():
                shares[seat] += share if seats >> seat & 1 else 0
        market = evidence.federation.contracts.market
        for seat, share in shares.items():
            kept = market.share(evidence.study.study, seat, evidence.block)
            evidence.expect(
                kept == (share, sum(shares.values())),
                f"the market keeps {kept[0]} as the share of seat {seat}, its scores come to {share}",
            )
        return shares

    def _check_registered(
        self, event: Event, histories: Mapping[int, RoundHistory], shares: Mapping[Seat, int]
    ) -> None:
        study, finals = self.evidence.study, [entry for entry in histories.values() if entry.result]
        last = finals[-1]
        assert last.result is not None
        said = {
            "model": last.result.model,
            "spec": study.terms["spec"],
            "finals": len(finals),
            "attesters": last.attesters.get(last.final_hash, 0),
            "shares": list(shares.values()),
        }
        for name, value in said.items():
            told = list(event[name]) if name == "shares" else event[name]
            self.evidence.expect(told == value, f"the registered model's {name} is not that of the study")
        self.evidence.expect(
            study.ended == "completed"
            and (event.time or 0) >= study.ended_at + study.terms["dispute_seconds"],
            "a model was registered before its disputes were over",
        )

    def _check_model(self) -> None:
        evidence, registered = self.evidence, self.evidence.events("ModelRegistered")
        stored = asdict(evidence.federation.contracts.market.model(evidence.study.study, evidence.block))
        later = self._of_model("ModelSuperseded")
        told = {
            "digest": registered[0]["model"] if registered else bytes(32),
            "spec": registered[0]["spec"] if registered else bytes(32),
            "registered_at": registered[0].time if registered else 0,
            "finals": registered[0]["finals"] if registered else 0,
            "versions": len(self._of_model("TermsSet")),
            "withdrawn": bool(self._of_model("ModelWithdrawn")),
            "superseded_by": later[-1]["by"] if later else 0,
        }
        evidence.expect(stored == told, "the model's record on chain is not what the events say")

    def _check_licences(self) -> None:
        """Each was sold under the newest terms of its time, for no more than their price."""
        evidence, market = self.evidence, self.evidence.federation.contracts.market
        versions = self._of_model("TermsSet")
        for number, event in enumerate(versions, 1):
            stored = asdict(market.terms(evidence.study.study, number, evidence.block))
            evidence.expect(
                event["version"] == number and stored == _plain(event["terms"], stored),
                f"version {number} of the licence's terms on chain is not what the events say",
            )
        withdrawn = min(map(place_of, self._of_model("ModelWithdrawn")), default=None)
        for event in self._of_model("LicenceSold"):
            newest = [terms for terms in versions if place_of(terms) < place_of(event)]
            on_sale = bool(newest) and (withdrawn is None or place_of(event) < withdrawn)
            evidence.expect(
                on_sale and newest[-1]["version"] == event["version"],
                f"licence {event['licence']} was sold under terms that were not on sale",
            )
            terms = newest[-1]["terms"]
            ends = (event.time or 0) + terms["duration"] if terms["duration"] else 0
            evidence.expect(
                event["fee"] <= terms["price"] and event["expires_at"] == ends,
                f"licence {event['licence']} has another price or end than its terms",
            )
            kept = asdict(market.licence(event["licence"], evidence.block))
            evidence.expect(
                kept
                == {
                    "model": evidence.study.study,
                    "version": event["version"],
                    "expires_at": ends,
                    "transferable": terms["transferable"],
                },
                f"licence {event['licence']} on chain is not what the events say",
            )

    def _check_fees(self, histories: Mapping[int, RoundHistory], shares: Mapping[Seat, int]) -> None:
        """No one had more of the fees than its share of what had come by then."""
        evidence, terms = self.evidence, self.evidence.study.terms
        token_of = {event["version"]: event["terms"]["token"] for event in self._of_model("TermsSet")}
        books: dict[str, FeeBook] = {}
        found = [*self._of_model("LicenceSold"), *self._of_model("FeesClaimed")]
        for event in sorted(found, key=place_of):
            sold = event.name == "LicenceSold"
            token = token_of[event["version"]] if sold else event["token"]
            book = books.setdefault(token, FeeBook(terms, shares))
            if sold:
                book.fees += event["fee"]
            else:
                self._check_fee(book, event, histories)
        for token, book in books.items():
            kept = evidence.federation.contracts.market.fees(
                evidence.study.study, Address(token), evidence.block
            )
            evidence.expect(kept == book.fees, f"the model brought {kept}, its sales come to {book.fees}")

    def _check_fee(self, book: FeeBook, event: Event, histories: Mapping[int, RoundHistory]) -> None:
        study, account, amount = self.evidence.study, event["account"], event["amount"]
        for entry in study.enrolments:
            if (entry.hospital, book.due(entry.seat)) == (account, amount):
                book.paid[entry.seat] = book.paid.get(entry.seat, 0) + amount
                return
        if (study.sponsor, book.due_sponsor()) == (account, amount):
            book.paid_sponsor += amount
            return
        # A patient: nobody can say of which leaf, but no leaf has more than this.
        most = max((self._most_of_leaf(book, history) for history in histories.values()), default=0)
        self.evidence.expect(
            amount <= min(most, book.due_patients()),
            f"{account} had {amount} of the fees, which is more than its part",
        )
        book.paid_patients += amount

    def _most_of_leaf(self, book: FeeBook, history: RoundHistory) -> int:
        """The largest part of the fees that a patient of this round can have."""
        terms = self.evidence.study.terms
        pool: int = book.fees * terms["patient_bps"] // BPS
        if history.result is None:
            return 0
        finals = len(self.evidence.events("RoundFinal"))
        parts: list[int] = [
            pool * update.weight // ((update.weight + terms["cohort_step"]) * history.weight * finals)
            for update in history.updates.values()
        ]
        return max(parts)

    def _check_moves(self) -> None:
        """Each fee and each licence moved when its event says so, in the market's books of all models."""
        index, contracts = self.evidence.federation.index, self.evidence.federation.contracts
        sold, shared = index.events("LicenceSold"), index.events("FeesClaimed")
        collected, disbursed = index.events("Collected"), index.events("Disbursed")
        minted = [event for event in index.events("TransferSingle") if event["from"] == NOBODY]
        models = {event["study"] for event in index.events("ModelRegistered")}
        self.evidence.expect(
            all(event["model"] in models for event in [*sold, *shared]),
            "there were sales or fees of a model that was never registered",
        )
        pairs = (
            (
                [(e.tx_hash, e["buyer"], e["fee"]) for e in sold if e["fee"]],
                [(e.tx_hash, e["from"], e["amount"]) for e in collected],
            ),
            (
                [(e.tx_hash, e["token"], e["account"], e["amount"]) for e in shared],
                [(e.tx_hash, e["token"], e["account"], e["amount"]) for e in disbursed],
            ),
            (
                [(e.tx_hash, e["licence"], e["to"]) for e in sold],
                [(e.tx_hash, e["id"], e["to"]) for e in minted],
            ),
        )
        for told, moved in pairs:
            self.evidence.expect(
                Counter(told) == Counter(moved), "what the market says and what it moved are not the same"
            )
        for token in {event["token"] for event in [*collected, *disbursed]}:
            sums = [
                sum(e["amount"] for e in found if e["token"] == token) for found in (collected, disbursed)
            ]
            held = contracts.vault.balance(contracts.market.address, token, self.evidence.block).free
            self.evidence.expect(
                held == sums[0] - sums[1], f"the vault holds {held} of fees, it should be {sums[0] - sums[1]}"
            )

    def _of_model(self, name: str) -> list[Event]:
        """The market's events of the study's model."""
        return self.evidence.federation.index.events(name, model=self.evidence.study.study)


def _plain(terms: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields as `like`."""
    if terms.keys() != like.keys():
        raise ProtocolError("an event of the market has other terms than the contract")
    return dict(terms)
