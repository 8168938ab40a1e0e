"""Whether what the contracts of claims, payouts and the market keep of a study bears out their events, and follows from
the rules: claims and objections, every slash and where it went, reviews, patients' pay, the model's licences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medfed.chain.calls import Event
from medfed.chain.contracts.studies import ScoreMode
from medfed.errors import Inconsistent, ProtocolError
from medfed.protocol.commitments import bitmap
from medfed.protocol.manifest import leaf_counts
from medfed.rounds.books import MONEY, MoneyBook, Rates
from medfed.rounds.contests import read_contest
from medfed.rounds.disputes import ContestBook, place_of
from medfed.rounds.evidence import Evidence
from medfed.rounds.history import RoundHistory
from medfed.rounds.licences import ROUND_SHARE, TERMS_NOTICE, FeeBook, round_shares
from medfed.rounds.scores import Tally, tally
from medfed.types import NO_ACCOUNT, Address, Seat

__all__ = ["Proceedings"]

_ROUND_KEPT = ("used", "era", "held_until", "authors", "objectors", "lacking")


@dataclass(frozen=True)
class Proceedings:
    """What followed from a study's rounds, beside their results."""

    evidence: Evidence

    # -- claims and slashes ----------------------------------------------------------------------------------------

    def check_contest(self, history: RoundHistory) -> ContestBook:
        """A round's claims and objections, replayed and held against storage."""
        evidence, place = self.evidence, (history.study, history.number)
        contract = evidence.federation.contracts.claims
        book = read_contest(evidence.federation.index, evidence.study, history)
        told = {name: getattr(book, name) for name in _ROUND_KEPT} | {"count": len(book.claims)}
        evidence.expect(
            asdict(contract.contest(*place, evidence.block)) == told,
            "what is contested in the round, by the chain, is not what the events say",
        )
        for attempt, claim in enumerate(book.claims):
            kept = contract.attempt(*place, attempt, evidence.block)
            same = ("aggregate_hash", "state", "seat", "era", "made_at", "challenger", "objector")
            evidence.expect(
                all(getattr(kept, name) == getattr(claim, name) for name in same)
                and kept.claim_seconds == evidence.study.terms.claim_seconds,
                f"claim {attempt} on chain is not what the events say",
            )
        return book

    def check_money(
        self, histories: Mapping[int, RoundHistory], contests: Mapping[int, ContestBook]
    ) -> MoneyBook:
        """Everything that moved: its cause, its amount, whose it was and whose it became."""
        evidence, study = self.evidence, self.evidence.study
        contracts, block = evidence.federation.contracts, evidence.block
        rates = Rates(contracts.studies.slash_bps(block), contracts.vault.challenger_bps(block))
        claims = {number: book.claims for number, book in contests.items()}
        events = [event for name in MONEY for event in evidence.events(name)]
        book = MoneyBook(study, histories, claims, rates).replay(events)
        evidence.check_money(book)
        return book

    # -- payouts -------------------------------------------------------------------------------------------------

    def check_reviews(self, history: RoundHistory) -> Tally | None:
        """The reviews of a round and their medians, recomputed; None in a study without reviews."""
        evidence = self.evidence
        if evidence.study.terms.score_mode is not ScoreMode.REVIEWED:
            return None
        where = {"round": history.number}
        committed = bitmap([Seat(e["seat"]) for e in evidence.events("ReviewCommitted", **where)])
        reviews = {Seat(e["seat"]): tuple(e["scores"]) for e in evidence.events("ReviewRevealed", **where)}
        evidence.expect(
            all(len(scores) == history.submitted.bit_count() for scores in reviews.values()),
            "a review of the round has not one score for each update",
        )
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
            evidence.federation.contracts.payouts.review(history.study, history.number, evidence.block)
        )
        evidence.expect(stored == told, "the reviews on chain are not what the events say")
        return found if tallied else Tally(dict.fromkeys(found.scores, 0), 0)

    def check_patients(self, history: RoundHistory) -> dict[Seat, list[Address]]:
        """What patients were paid for a round, to the smallest unit. Returns who was, by seat."""
        terms, result = self.evidence.study.terms, history.result
        found: dict[Seat, list[Address]] = {}
        amounts: dict[Seat, set[int]] = {}
        for event in self.evidence.events("PatientPaid", round=history.number):
            seat = Seat(event["seat"])
            self.evidence.expect(
                result is not None and result.included >> seat & 1 == 1 and seat not in history.struck,
                f"patients of seat {seat} were paid, whose update earned nothing",
            )
            found.setdefault(seat, []).append(event["patient"])
            amounts.setdefault(seat, set()).add(event["amount"])
        for seat, patients in found.items():
            weight = history.committed(seat).weight
            pool, counts = terms.pools().patients, leaf_counts(weight, terms.cohort_step)
            dues = [pool * weight // (count * history.due_weight) for count in counts]
            # The count of the leaves is in no event, and the same for all of them.
            self.evidence.expect(
                any(amounts[seat] == {due} for due in dues),
                f"patients of seat {seat} were paid {_listed(amounts[seat])}, the due of each is {_listed(dues)}",
            )
            self.evidence.expect(
                len(patients) <= counts[-1],
                f"{len(patients)} patients of seat {seat} were paid, its cohort has fewer",
            )
        return found

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
            history = histories[number]
            earned = {
                seat: share
                for seat, share in round_shares(evidence.study.terms, history, reviews[number]).items()
                if evidence.study.pays(seat, history.number)
            }
            evidence.expect(
                not seats & ~bitmap(list(earned)),
                f"round {number} was credited to a seat that did not earn in it",
            )
            for seat, share in earned.items():
                shares[seat] += share if seats >> seat & 1 else 0
        market, total = evidence.federation.contracts.market, ROUND_SHARE * _finals(histories)
        for seat, share in shares.items():
            kept = market.share(evidence.study.study, seat, evidence.block)
            evidence.expect(
                kept == (share, total),
                f"the market keeps {kept[0]} as the share of seat {seat}, its scores come to {share}",
            )
        return shares

    def _check_registered(
        self, event: Event, histories: Mapping[int, RoundHistory], shares: Mapping[Seat, int]
    ) -> None:
        study, finals = self.evidence.study, [entry for entry in histories.values() if entry.result]
        last = finals[-1] if finals else None
        if last is None or last.result is None:
            raise Inconsistent("a model was registered of a study without a result")
        said = {
            "model": last.result.model,
            "spec": study.terms.spec,
            "finals": len(finals),
            "attesters": last.attesters.get(last.final_hash, 0),
            "shares": list(shares.values()),
        }
        for name, value in said.items():
            told = list(event[name]) if name == "shares" else event[name]
            self.evidence.expect(told == value, f"the registered model's {name} is not that of the study")
        self.evidence.expect(
            study.ended == "completed" and (event.time or 0) >= study.settled_at,
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
            "versions": max((event["version"] for event in self._of_model("TermsSet")), default=0),
            "withdrawn": bool(self._of_model("ModelWithdrawn")),
            "superseded_by": later[-1]["by"] if later else 0,
        }
        evidence.expect(stored == told, "the model's record on chain is not what the events say")

    def _check_licences(self) -> None:
        """Each was sold under the newest terms that had begun, for no more than their price."""
        evidence, market = self.evidence, self.evidence.federation.contracts.market
        versions = self._of_model("TermsSet")
        for number, event in {event["version"]: event for event in versions}.items():
            sale = market.sale(evidence.study.study, number, evidence.block)
            stored = asdict(sale.terms)
            evidence.expect(
                sale.begin == event["begin"] and stored == _plain(event["terms"], stored),
                f"version {number} of the licence's terms on chain is not what the events say",
            )
        version = begin = 0
        for event in versions:
            notice, time = TERMS_NOTICE if int(event["terms"]["token"], 16) else 0, event.time or 0
            # Terms that have begun are followed, others replaced.
            due = version + (begin <= time), time + notice
            version, begin = event["version"], event["begin"]
            evidence.expect(
                (version, begin) == due,
                f"version {version} of the licence's terms has another number or begin than the rules give it",
            )
        withdrawn = min(map(place_of, self._of_model("ModelWithdrawn")), default=None)
        for event in self._of_model("LicenceSold"):
            # Terms that had not begun when others of their version came were replaced.
            known = {terms["version"]: terms for terms in versions if place_of(terms) < place_of(event)}
            newest = [terms for terms in known.values() if terms["begin"] <= (event.time or 0)]
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
            book = books.setdefault(token, FeeBook(terms, shares, _finals(histories)))
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
        most = max(map(book.most_of_leaf, histories.values()), default=0)
        self.evidence.expect(
            amount <= min(most, book.due_patients()),
            f"{account} had {amount} of the fees, which is more than its part",
        )
        book.paid_patients += amount

    def _check_moves(self) -> None:
        """Each fee and each licence moved when its event says so, in the market's books of all models."""
        index, contracts = self.evidence.federation.index, self.evidence.federation.contracts
        sold, shared = index.events("LicenceSold"), index.events("FeesClaimed")
        collected, disbursed = index.events("Collected"), index.events("Disbursed")
        minted = [event for event in index.events("TransferSingle") if event["from"] == NO_ACCOUNT]
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
            held = contracts.vault.fees_held(token, self.evidence.block)
            self.evidence.expect(
                held == sums[0] - sums[1], f"the vault holds {held} of fees, it should be {sums[0] - sums[1]}"
            )

    def _of_model(self, name: str) -> list[Event]:
        """The market's events of the study's model."""
        return self.evidence.federation.index.events(name, model=self.evidence.study.study)


def _finals(histories: Mapping[int, RoundHistory]) -> int:
    """How many rounds were ever final."""
    return sum(history.result is not None for history in histories.values())


def _plain(terms: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields as `like`."""
    if terms.keys() != like.keys():
        raise ProtocolError("an event of the market has other terms than the contract")
    return dict(terms)


def _listed(amounts: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(set(amounts))))
