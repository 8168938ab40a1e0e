// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {AuthorityUtils} from "@openzeppelin/contracts/access/manager/AuthorityUtils.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {Bytes} from "@openzeppelin/contracts/utils/Bytes.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IFederatedRounds} from "./interfaces/IFederatedRounds.sol";
import {IModelMarket} from "./interfaces/IModelMarket.sol";
import {IPayouts} from "./interfaces/IPayouts.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {IStudies} from "./interfaces/IStudies.sol";
import {Aggregate, AggregateId} from "./types/Aggregate.sol";
import {BPS} from "./types/Bps.sol";
import {Clock} from "./types/Clock.sol";
import {RoundId} from "./types/RoundId.sol";
import {SeatId} from "./types/SeatId.sol";
import {SeatSet} from "./types/SeatSet.sol";
import {StudyId} from "./types/StudyId.sol";
import {Update} from "./types/Update.sol";

/// @dev What one final round adds to the book's total. The scores of its seats are together at most that.
uint256 constant ROUND_SHARE = 1e18;
/// @dev How long terms are known before licences are sold under them.
uint256 constant TERMS_NOTICE = 3 days;

/// @title ModelMarket
contract ModelMarket is IModelMarket, ERC1155, AccessManaged {
    /// @dev Which seats of a final round are in the book, and whether all are that earned.
    struct Credit {
        SeatSet seats;
        bool complete;
    }

    /// @dev A study's cumulative scores.
    struct Book {
        uint16 rounds; // complete ones
        mapping(SeatId seat => uint256) shares;
    }

    // Immutables

    IFederatedRounds public immutable ROUNDS;
    IStudies public immutable STUDIES;
    IPayouts public immutable PAYOUTS;
    IStakeVault public immutable VAULT;

    // Storage

    /// @inheritdoc IModelMarket
    uint256 public licenceCount;

    /// @inheritdoc IModelMarket
    mapping(StudyId model => mapping(address token => uint256)) public feesOf;

    mapping(StudyId study => mapping(RoundId round => Credit)) private _credits;
    mapping(StudyId study => Book) private _books;
    mapping(StudyId model => Model) private _models;
    mapping(StudyId model => mapping(uint32 version => Sale)) private _sales;
    mapping(uint256 licence => Licence) private _licences;
    mapping(StudyId model => mapping(address token => mapping(SeatId seat => uint256))) private _paidSeat;
    mapping(StudyId model => mapping(address token => uint256)) private _paidSponsor;
    mapping(bytes32 leaf => mapping(SeatId seat => mapping(address token => uint256))) private _paidLeaf;

    // Constructor

    constructor(
        address authority,
        IFederatedRounds rounds,
        IStudies studies,
        IPayouts payouts,
        IStakeVault vault
    ) ERC1155("") AccessManaged(authority) {
        ROUNDS = rounds;
        STUDIES = studies;
        PAYOUTS = payouts;
        VAULT = vault;
    }

    // Registering

    /// @inheritdoc IModelMarket
    function credit(
        StudyId study,
        RoundId round,
        Aggregate calldata aggregate,
        SeatId[] calldata seats,
        Update[] calldata updates
    ) external {
        require(seats.length == updates.length, UpdatesDiffer(seats.length, updates.length));
        SeatSet included = _requireUnlocked(study, round, aggregate);
        Book storage book = _books[study];
        Credit memory known = _credits[study][round];

        for (uint256 i = 0; i < seats.length; ++i) {
            SeatId seat = seats[i];
            require(!known.seats.has(seat), AlreadyCredited(study, round, seat));
            known.seats = known.seats.add(seat);
            // Reverts for a seat that is not included, or is paid nothing.
            (uint256 score, uint256 total) = PAYOUTS.shareOf(study, round, seat, aggregate, updates[i]);
            book.shares[seat] += ROUND_SHARE * score / total;
        }
        if (!known.complete && _areBarred(study, round, included - known.seats)) {
            known.complete = true;
            ++book.rounds;
        }
        _credits[study][round] = known;

        emit Credited(study, round, known.seats);
    }

    /// @inheritdoc IModelMarket
    function register(StudyId study, Aggregate calldata last) external {
        IFederatedRounds.Study memory s = ROUNDS.getStudy(study);
        require(s.state == IFederatedRounds.State.Completed, StudyNotCompleted(study, s.state));
        uint256 until = Clock.unlockedAt(s.endedAt, s.disputeSeconds);
        require(block.timestamp >= until, DisputesOpen(study, until));
        Book storage book = _books[study];
        require(book.rounds == s.finals, RoundNotCredited(study, book.rounds, s.finals));
        // slither-disable-next-line incorrect-equality (zero is absence)
        require(_models[study].registeredAt == 0, AlreadyRegistered(study));
        // A study completes with its newest round.
        IFederatedRounds.Ballot memory ballot = _requireFinal(study, s.round, last);
        bytes32 spec = ROUNDS.getEnrolment(study).spec;

        Model storage model = _models[study];
        (model.digest, model.spec, model.finals) = (last.model, spec, s.finals);
        model.registeredAt = uint40(block.timestamp);

        emit ModelRegistered(study, last.model, spec, s.finals, ballot.attesters, _shares(book, s.members));
    }

    // Selling

    /// @inheritdoc IModelMarket
    function setTerms(StudyId model, Terms calldata terms) external returns (uint32 version) {
        Model storage m = _requireSeller(model);
        require(!m.withdrawn, ModelIsWithdrawn(model));

        version = m.versions;
        if (version == 0 || _sales[model][version].begin <= block.timestamp) m.versions = ++version;
        uint40 begin = uint40(block.timestamp + (terms.token == address(0) ? 0 : TERMS_NOTICE));
        _sales[model][version] =
            Sale(terms.token, terms.price, terms.duration, terms.transferable, begin, terms.licence);

        emit TermsSet(model, version, terms, begin);
    }

    /// @inheritdoc IModelMarket
    function buy(StudyId model, uint32 version, uint256 maxPrice, address to)
        external
        returns (uint256 licence)
    {
        Model storage m = _requireRegistered(model);
        require(!m.withdrawn, ModelIsWithdrawn(model));
        Sale memory sale = _sales[model][version];
        require(sale.token != address(0) && _isNewest(model, version, sale, m), NotForSale(model, version));
        require(sale.price <= maxPrice, PriceAboveMaximum(sale.price, maxPrice));

        licence = ++licenceCount;
        uint40 expiresAt = sale.duration == 0 ? 0 : uint40(block.timestamp + sale.duration);
        _licences[licence] = Licence(model, version, expiresAt, sale.transferable);
        uint256 fee;
        // The credit follows the collection because only then is it known what arrived; the vault's guard closes the way back in.
        if (sale.price != 0) {
            // slither-disable-next-line reentrancy-no-eth (the vault is of this deployment and guards its own entry)
            fee = VAULT.collect(sale.token, sale.price, msg.sender);
            feesOf[model][sale.token] += fee;
        }

        emit LicenceSold(model, licence, to, version, msg.sender, fee, expiresAt);

        // Asks a contract that receives it whether it takes it: last, when all is written.
        _mint(to, licence, 1, "");
    }

    /// @inheritdoc IModelMarket
    function withdrawModel(StudyId model) external {
        Model storage m = _requireSeller(model);
        require(!m.withdrawn, ModelIsWithdrawn(model));

        m.withdrawn = true;

        emit ModelWithdrawn(model);
    }

    /// @inheritdoc IModelMarket
    function supersede(StudyId model, StudyId by) external {
        Model storage m = _requireSeller(model);
        _requireRegistered(by);
        require(StudyId.unwrap(by) > StudyId.unwrap(model), SupersededByOlder(model, by));

        m.supersededBy = by;

        emit ModelSuperseded(model, by);
    }

    // Fees

    /// @inheritdoc IModelMarket
    function claimFees(StudyId model, SeatId seat, address token) external {
        uint256 finals = _requireRegistered(model).finals;
        (uint256 sponsorBps, uint256 patientBps) = _partsOf(model);
        address hospital = ROUNDS.getSeat(model, seat).hospital;
        uint256 pool = feesOf[model][token] * (BPS - sponsorBps - patientBps) / BPS;
        // slither-disable-next-line divide-before-multiply (the pool is whole units; what it loses stays in the vault)
        uint256 due = pool * _books[model].shares[seat] / (ROUND_SHARE * finals);
        uint256 amount = due - _paidSeat[model][token][seat];
        require(amount != 0, NothingEarned(model, hospital));

        _paidSeat[model][token][seat] = due;
        _disburse(model, token, hospital, amount);
    }

    /// @inheritdoc IModelMarket
    function claimSponsorFees(StudyId model, address token) external {
        _requireRegistered(model);
        (uint256 sponsorBps,) = _partsOf(model);
        address sponsor = ROUNDS.sponsorOf(model);
        uint256 due = feesOf[model][token] * sponsorBps / BPS;
        uint256 amount = due - _paidSponsor[model][token];
        require(amount != 0, NothingEarned(model, sponsor));

        _paidSponsor[model][token] = due;
        _disburse(model, token, sponsor, amount);
    }

    /// @inheritdoc IModelMarket
    function claimPatientFees(
        StudyId model,
        RoundId round,
        SeatId seat,
        address token,
        Aggregate calldata aggregate,
        Update calldata update,
        IPayouts.PatientLeaf calldata leaf
    ) external {
        uint256 finals = _requireRegistered(model).finals;
        (bytes32 digest, uint256 part, uint256 whole) =
            PAYOUTS.patientShareOf(model, round, seat, aggregate, update, msg.sender, leaf);
        (, uint256 patientBps) = _partsOf(model);
        uint256 pool = feesOf[model][token] * patientBps / BPS;
        // slither-disable-next-line divide-before-multiply (the pool is whole units; what it loses stays in the vault)
        uint256 due = pool * part / (whole * finals);
        uint256 paid = _paidLeaf[digest][seat][token];
        require(due > paid, NothingEarned(model, msg.sender));

        _paidLeaf[digest][seat][token] = due;
        _disburse(model, token, msg.sender, due - paid);
    }

    // Views

    /// @inheritdoc IModelMarket
    function isLicensed(address account, uint256 licence) external view returns (bool) {
        uint256 expiresAt = _licences[licence].expiresAt;
        // slither-disable-next-line incorrect-equality (zero is no end)
        return balanceOf(account, licence) != 0 && (expiresAt == 0 || block.timestamp < expiresAt);
    }

    /// @inheritdoc IModelMarket
    function getModel(StudyId model) external view returns (Model memory) {
        return _models[model];
    }

    /// @inheritdoc IModelMarket
    function getTerms(StudyId model, uint32 version) external view returns (Sale memory) {
        return _sales[model][version];
    }

    /// @inheritdoc IModelMarket
    function getLicence(uint256 licence) external view returns (Licence memory) {
        return _licences[licence];
    }

    /// @inheritdoc IModelMarket
    function shareOf(StudyId model, SeatId seat) external view returns (uint256 share, uint256 total) {
        return (_books[model].shares[seat], ROUND_SHARE * ROUNDS.getStudy(model).finals);
    }

    /// @notice Where the licence's text lies: a CIDv1 in base 16.
    function uri(uint256 licence) public view override returns (string memory) {
        Licence memory l = _licences[licence];
        bytes memory digits = bytes(Strings.toHexString(uint256(_sales[l.model][l.version].licence), 32));
        return string.concat("ipfs://f01701220", string(Bytes.slice(digits, 2)));
    }

    // Internal: checks

    function _requireRegistered(StudyId model) private view returns (Model storage m) {
        m = _models[model];
        require(m.registeredAt != 0, NotRegistered(model));
    }

    function _requireSeller(StudyId model) private view returns (Model storage m) {
        m = _requireRegistered(model);
        if (msg.sender == ROUNDS.sponsorOf(model)) return m;
        // slither-disable-next-line unused-return (the consortium sells without a delay or not at all)
        (bool consortium,) = AuthorityUtils.canCallWithDelay(authority(), msg.sender, address(this), msg.sig);
        require(consortium, NotTheSeller(model, msg.sender));
    }

    function _requireFinal(StudyId study, RoundId round, Aggregate calldata aggregate)
        private
        view
        returns (IFederatedRounds.Ballot memory ballot)
    {
        AggregateId result = aggregate.hash(study, round);
        ballot = ROUNDS.getBallot(study, round, result);
        require(ballot.finalAt != 0, IFederatedRounds.NotFinal(study, round, result));
    }

    /// @dev Whether licences are sold under this version now: it has begun, and no later one has.
    function _isNewest(StudyId model, uint32 version, Sale memory sale, Model storage m)
        private
        view
        returns (bool)
    {
        uint256 versions = m.versions;
        if (sale.begin > block.timestamp || version == versions) return sale.begin <= block.timestamp;
        // Of those after it the newest alone may not have begun.
        return version + 1 == versions && _sales[model][version + 1].begin > block.timestamp;
    }

    /// @dev The seats whose updates are in the result of a final round whose claims are unlocked.
    function _requireUnlocked(StudyId study, RoundId round, Aggregate calldata aggregate)
        private
        view
        returns (SeatSet included)
    {
        IFederatedRounds.Ballot memory ballot = _requireFinal(study, round, aggregate);
        uint256 until = Clock.unlockedAt(ballot.finalAt, ROUNDS.getStudy(study).disputeSeconds);
        require(block.timestamp >= until, IPayouts.ClaimLocked(study, round, until));
        return ballot.included;
    }

    /// @dev Whether a round, whose claims are unlocked, pays all these seats nothing, for a proof of this round or one before.
    function _areBarred(StudyId study, RoundId round, SeatSet seats) private view returns (bool) {
        SeatId[] memory list = seats.toArray();
        for (uint256 i = 0; i < list.length; ++i) {
            RoundId barredFrom = ROUNDS.getSeat(study, list[i]).barredFrom;
            if (barredFrom.isNone() || round < barredFrom) return false;
        }
        return true;
    }

    /// @dev Of the fees, in 1/10,000. All together are at most the whole: the sponsor has no more than the patients leave.
    function _partsOf(StudyId model) private view returns (uint256 sponsorBps, uint256 patientBps) {
        IStudies.Offer memory offer = STUDIES.getOffer(model);
        return (Math.min(offer.sponsorFeeBps, BPS - offer.patientBps), offer.patientBps);
    }

    // Internal: steps

    function _shares(Book storage book, uint256 members) private view returns (uint256[] memory shares) {
        shares = new uint256[](members);
        for (uint8 seat = 0; seat < members; ++seat) {
            shares[seat] = book.shares[SeatId.wrap(seat)];
        }
    }

    function _disburse(StudyId model, address token, address account, uint256 amount) private {
        emit FeesClaimed(model, token, account, amount);

        VAULT.disburse(token, account, amount);
    }

    /// @dev Mints and, where the terms allow it, transfers.
    function _update(address from, address to, uint256[] memory ids, uint256[] memory values)
        internal
        override
    {
        if (from != address(0)) {
            for (uint256 i = 0; i < ids.length; ++i) {
                require(_licences[ids[i]].transferable, NotTransferable(ids[i]));
            }
        }
        super._update(from, to, ids, values);
    }
}
