"""Who may set terms, what a licence costs and allows, and what its holder can see."""

from __future__ import annotations

import base64

import pytest

from medfed.protocol.cid import cid_from_digest
from tests.contracts.market.conftest import NOTICE, PRICE, play
from tests.rig import roles
from tests.rig.world import DISPUTE

NOBODY = "0x" + "00" * 20
YEAR = 365 * 86_400


def buy(made, buyer, version=1, most=PRICE, to=None):
    return made.market.buy(made.study, version, most, to or buyer, sender=buyer)


class TestSellers:
    CALLS = ("setTerms", "withdrawModel", "supersede")

    def act(self, made, call, who):
        further = {"setTerms": [made.terms()], "withdrawModel": [], "supersede": [made.study]}[call]
        return getattr(made.market, call)(made.study, *further, sender=who)

    @pytest.mark.parametrize("call", CALLS)
    def test_a_model_has_to_be_registered_first(self, evm, world, made, call):
        with evm.reverts("NotRegistered", made.study):
            self.act(made, call, world.sponsor)

    @pytest.mark.parametrize("call", CALLS)
    def test_nobody_but_the_sponsor_and_the_consortium(self, evm, world, model, buyer, call):
        """Not a hospital whose work it is, and not the sponsor of another study."""
        for who in (world.stranger, buyer, world.hospitals[0], world.operators[0]):
            with evm.reverts("NotTheSeller", model.study, who):
                self.act(model, call, who)

    def test_the_consortium_loses_the_right_with_its_role(self, evm, world, model):
        model.market.setTerms(model.study, model.terms(), sender=world.admin)
        world.manager.revokeRole(1, world.admin)
        with evm.reverts("NotTheSeller", model.study, world.admin):
            model.market.setTerms(model.study, model.terms(), sender=world.admin)

    def test_a_role_that_waits_does_not_sell_at_once(self, evm, world, model):
        """A holder with a delay has to announce the act to the AccessManager; directly it is refused."""
        world.manager.grantRole(1, world.stranger, 100)
        with evm.reverts("NotTheSeller", model.study, world.stranger):
            model.market.setTerms(model.study, model.terms(), sender=world.stranger)


class TestTerms:
    def test_they_are_numbered_and_stay(self, evm, world, made):
        made.register()
        first, second = made.terms(), made.terms(price=5, duration=60, transferable=True)
        for version, (terms, who) in enumerate(((first, world.sponsor), (second, world.admin)), 1):
            receipt = made.market.setTerms(made.study, terms, sender=who)
            (event,) = receipt.named("TermsSet")
            assert (receipt.value, event["model"], event["version"]) == (version, made.study, version)
            assert event["begin"] == evm.now + NOTICE
            evm.travel(NOTICE)
        found = [made.market.getTerms(made.study, version) for version in (1, 2)]
        assert [(t.price, t.duration, t.transferable) for t in found] == [(PRICE, 0, False), (5, 60, True)]
        assert made.market.getModel(made.study).versions == 2

    def test_they_begin_after_their_notice_and_the_former_sell_until_then(self, evm, world, model, buyer):
        model.announce(price=0, transferable=True)
        evm.travel(NOTICE - 1)
        with evm.reverts("NotForSale", model.study, 2):
            buy(model, buyer, 2)
        assert buy(model, buyer, 1).named("LicenceSold")[0]["fee"] == PRICE
        evm.travel(1)
        with evm.reverts("NotForSale", model.study, 1):
            buy(model, buyer, 1)
        assert buy(model, buyer, 2).named("LicenceSold")[0]["fee"] == 0

    def test_nobody_sells_to_friends_between_two_prices(self, evm, world, model, buyer):
        """A price that began is asked of everybody until another begins, three days later at least."""
        model.announce(price=0)
        model.announce(price=2 * PRICE)
        evm.travel(NOTICE)
        assert model.market.getModel(model.study).versions == 2, "what had not begun was replaced"
        with evm.reverts("PriceAboveMaximum", 2 * PRICE, PRICE):
            buy(model, buyer, 2)
        model.offer(price=0)
        model.announce(price=PRICE)
        evm.travel(NOTICE - 1)
        assert buy(model, world.stranger, 3, 0).named("LicenceSold")[0]["fee"] == 0

    def test_a_sale_ends_at_once_also_one_that_was_announced(self, evm, world, model, buyer):
        model.announce(price=5)
        assert model.announce(token=NOBODY) == 2
        for version in (1, 2):
            with evm.reverts("NotForSale", model.study, version):
                buy(model, buyer, version)
        evm.travel(NOTICE)
        with evm.reverts("NotForSale", model.study, 2):
            buy(model, buyer, 2)

    def test_a_withdrawn_model_gets_none(self, evm, world, model):
        model.market.withdrawModel(model.study, sender=world.sponsor)
        with evm.reverts("ModelIsWithdrawn", model.study):
            model.offer()


class TestBuying:
    def test_each_mistake_is_named_in_the_order_of_the_checks(self, evm, world, made, buyer):
        with evm.reverts("NotRegistered", made.study):
            buy(made, buyer)
        made.register()
        for version in (0, 1):
            with evm.reverts("NotForSale", made.study, version):
                buy(made, buyer, version)
        made.announce()
        with evm.reverts("NotForSale", made.study, 1):
            buy(made, buyer, 1)
        evm.travel(NOTICE)
        made.offer(price=PRICE + 1)
        with evm.reverts("NotForSale", made.study, 1):
            buy(made, buyer, 1)
        with evm.reverts("PriceAboveMaximum", PRICE + 1, PRICE):
            buy(made, buyer, 2)
        with evm.reverts("ERC20InsufficientAllowance"):
            buy(made, world.stranger, 2, PRICE + 1)
        with evm.reverts("ERC1155InvalidReceiver", NOBODY):
            buy(made, buyer, 2, PRICE + 1, NOBODY)
        made.offer(token=NOBODY)
        with evm.reverts("NotForSale", made.study, 3):
            buy(made, buyer, 3)
        made.market.withdrawModel(made.study, sender=world.sponsor)
        with evm.reverts("ModelIsWithdrawn", made.study):
            buy(made, buyer, 3)

    def test_the_price_goes_into_the_vault_and_a_licence_to_whom_it_is_for(self, evm, world, model, buyer):
        market, token, vault = model.market, model.token, world.vault
        before, held = token.balanceOf(buyer), token.balanceOf(vault)
        receipt = buy(model, buyer, to=world.stranger)
        assert receipt.value == 1
        (event,) = receipt.named("LicenceSold")
        assert event == {
            "model": model.study,
            "licence": 1,
            "to": world.stranger.address,
            "version": 1,
            "buyer": buyer.address,
            "fee": PRICE,
            "expiresAt": 0,
        }
        assert [e["amount"] for e in receipt.named("Collected")] == [PRICE]
        assert (token.balanceOf(buyer), token.balanceOf(vault)) == (before - PRICE, held + PRICE)
        assert vault.feesHeld(token) == market.feesOf(model.study, token) == PRICE
        assert tuple(vault.balanceOf(market, token)) == (0, 0)
        assert (market.balanceOf(world.stranger, 1), market.balanceOf(buyer, 1)) == (1, 0)
        assert market.isLicensed(world.stranger, 1)
        assert not market.isLicensed(buyer, 1)
        assert buy(model, buyer).value == market.licenceCount() == 2

    def test_the_price_may_be_lower_than_the_buyers_maximum(self, model, buyer):
        assert buy(model, buyer, most=10 * PRICE).named("LicenceSold")[0]["fee"] == PRICE

    def test_a_free_licence_moves_no_token(self, world, model):
        model.offer(price=0)
        receipt = buy(model, world.stranger, version=2, most=0)
        assert receipt.named("Collected") == []
        assert model.market.isLicensed(world.stranger, receipt.value)

    def test_it_ends_when_its_terms_say(self, evm, world, model, buyer):
        model.offer(duration=YEAR)
        licence = buy(model, buyer, version=2).value
        assert model.market.getLicence(licence).expiresAt == evm.now + YEAR
        evm.travel(YEAR - 1)
        assert model.market.isLicensed(buyer, licence)
        evm.travel(1)
        assert not model.market.isLicensed(buyer, licence)

    def test_a_token_that_the_vault_does_not_take_buys_nothing(self, evm, world, model, buyer):
        world.vault.allowToken(model.token, False)
        with evm.reverts("TokenNotAllowed", model.token):
            buy(model, buyer)

    def test_a_paused_vault_sells_nothing_but_pays(self, evm, world, model, buyer):
        buy(model, buyer)
        roles.open_to(world.manager, roles.PAUSER, world.vault, "pause", "unpause")
        world.vault.pause()
        with evm.reverts("EnforcedPause"):
            buy(model, buyer)
        model.market.claimSponsorFees(model.study, model.token)

    def test_a_token_that_takes_a_fee_counts_for_what_arrived(self, evm, world, model, buyer):
        token = evm.deploy("FeeToken", 100)
        world.vault.allowToken(token, True)
        token.mint(buyer, PRICE)
        token.approve(world.vault, PRICE, sender=buyer)
        model.offer(token=token)
        fee = buy(model, buyer, version=2).named("LicenceSold")[0]["fee"]
        assert fee == PRICE - PRICE // 100
        assert model.market.feesOf(model.study, token) == fee == token.balanceOf(world.vault)
        assert world.vault.feesHeld(token) == fee

    def test_a_token_that_calls_back_gets_no_second_licence(self, evm, world, model, buyer):
        """While the price is on its way the vault lets nobody in again, and no fee is there to be claimed yet."""
        token = evm.deploy("ReentrantToken")
        world.vault.allowToken(token, True)
        token.mint(buyer, 2 * PRICE)
        token.approve(world.vault, 2 * PRICE, sender=buyer)
        model.offer(token=token)
        again = model.market.encode("buy", model.study, 2, PRICE, buyer)
        for data in (again, model.market.encode("claimSponsorFees", model.study, token)):
            token.hook(model.market, data)
            buy(model, buyer, version=2)
            assert not token.succeeded()
            model.market.claimSponsorFees(model.study, token)
        assert model.market.licenceCount() == 2
        assert model.market.feesOf(model.study, token) == 2 * PRICE


class TestHolders:
    def test_a_contract_that_refuses_the_licence_pays_nothing(self, evm, world, model, buyer):
        holder = evm.deploy("LicenceHolder")
        holder.refuse()
        before = model.token.balanceOf(buyer)
        with evm.reverts("Refused"):
            buy(model, buyer, to=holder)
        with evm.reverts("ERC1155InvalidReceiver", model.token):
            buy(model, buyer, to=model.token)
        assert (model.token.balanceOf(buyer), model.market.licenceCount()) == (before, 0)

    def test_a_holder_that_calls_back_finds_all_in_order(self, evm, world, model, buyer):
        """When the receiver is asked, the fee is booked and the licence counted: buying again is just another purchase."""
        holder = evm.deploy("LicenceHolder")
        model.token.mint(holder, PRICE)
        holder.hook(model.market, model.market.encode("claimSponsorFees", model.study, model.token))
        licence = buy(model, buyer, to=holder).value
        assert holder.succeeded()
        assert model.market.isLicensed(holder, licence)
        with evm.reverts("NothingEarned", model.study, world.sponsor):
            model.market.claimSponsorFees(model.study, model.token)

    def test_a_licence_that_is_not_transferable_stays(self, evm, world, model, buyer):
        licence = buy(model, buyer).value
        for count in (0, 1):
            with evm.reverts("NotTransferable", licence):
                model.market.safeTransferFrom(buyer, world.stranger, licence, count, b"", sender=buyer)
        with evm.reverts("NotTransferable", licence):
            model.market.safeBatchTransferFrom(buyer, world.stranger, [licence], [1], b"", sender=buyer)

    def test_a_transferable_one_moves_with_its_end(self, evm, world, model, buyer):
        model.offer(transferable=True, duration=60)
        licence = buy(model, buyer, version=2).value
        with evm.reverts("ERC1155MissingApprovalForAll", world.stranger, buyer):
            model.market.safeTransferFrom(buyer, world.stranger, licence, 1, b"", sender=world.stranger)
        model.market.safeTransferFrom(buyer, world.stranger, licence, 1, b"", sender=buyer)
        assert model.market.isLicensed(world.stranger, licence)
        assert not model.market.isLicensed(buyer, licence)
        evm.travel(60)
        assert not model.market.isLicensed(world.stranger, licence)

    def test_one_that_moves_takes_no_fixed_one_with_it(self, evm, world, model, buyer):
        """In a batch each licence is asked for itself; later terms do not loosen earlier licences."""
        fixed = buy(model, buyer).value
        model.offer(transferable=True)
        free = buy(model, buyer, version=2).value
        with evm.reverts("NotTransferable", fixed):
            model.market.safeBatchTransferFrom(
                buyer, world.stranger, [free, fixed], [1, 1], b"", sender=buyer
            )

    def test_its_text_is_at_its_uri(self, model, buyer):
        """The digest of the terms as a CID in base 16: the same CID that the store has."""
        model.offer(licence=bytes(range(32)))
        uri = model.market.uri(buy(model, buyer, version=2).value)
        shown = bytes.fromhex(uri.removeprefix("ipfs://f"))
        text = str(cid_from_digest(bytes(range(32))))
        assert shown == base64.b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8))

    def test_licences_outlive_the_sale(self, evm, world, model, buyer):
        licence = buy(model, buyer).value
        receipt = model.market.withdrawModel(model.study, sender=world.admin)
        assert receipt.named("ModelWithdrawn") == [{"model": model.study}]
        assert model.market.getModel(model.study).withdrawn
        assert model.market.isLicensed(buyer, licence)
        with evm.reverts("ModelIsWithdrawn", model.study):
            model.market.withdrawModel(model.study, sender=world.sponsor)


class TestSuperseding:
    def test_only_a_later_registered_model_follows(self, evm, world, model, buyer):
        later = play(world, [(80, 80)])
        with evm.reverts("NotRegistered", later.study):
            model.market.supersede(model.study, later.study, sender=world.sponsor)
        with evm.reverts("SupersededByOlder", model.study, model.study):
            model.market.supersede(model.study, model.study, sender=world.sponsor)
        evm.travel(DISPUTE)
        later.register()
        with evm.reverts("SupersededByOlder", later.study, model.study):
            model.market.supersede(later.study, model.study, sender=world.sponsor)
        licence = buy(model, buyer).value
        receipt = model.market.supersede(model.study, later.study, sender=world.sponsor)
        assert receipt.named("ModelSuperseded") == [{"model": model.study, "by": later.study}]
        assert model.market.getModel(model.study).supersededBy == later.study
        assert model.market.isLicensed(buyer, licence)
        assert buy(model, buyer).value == licence + 1, "what is superseded still sells unless it is withdrawn"
