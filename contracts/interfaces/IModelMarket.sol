// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Aggregate} from "../types/Aggregate.sol";
import {RoundId} from "../types/RoundId.sol";
import {SeatId} from "../types/SeatId.sol";
import {SeatSet} from "../types/SeatSet.sol";
import {StudyId} from "../types/StudyId.sol";
import {Update} from "../types/Update.sol";
import {IFederatedRounds} from "./IFederatedRounds.sol";
import {IPayouts} from "./IPayouts.sol";

/// @title Licences of finished models
/// @notice A completed study's model is registered once with its lineage. Its terms are set by the sponsor or the consortium; a buyer gets a
/// licence, an ERC-1155 token; the fee is split among those who made the model, by what they were scored in its rounds.
/// What a left-out update would have had of it is nobody's, and stays in the vault.
/// @dev A licence is a legal permission, not a technical one: whoever knows a CID can fetch the bytes. Licence ids are never used
/// twice and each has one unit. Holds no funds: fees lie in `IStakeVault`.
interface IModelMarket {
    /// @notice What is known of a registered model. A model's id is its study's.
    struct Model {
        bytes32 digest; // of the model's CID
        bytes32 spec; // digest of the study spec's CID
        uint40 registeredAt; // Unix seconds
        uint16 finals; // rounds it was made in
        uint32 versions; // terms set so far; they are numbered from 1
        bool withdrawn;
        StudyId supersededBy; // 0 for none
    }

    /// @notice What a seller offers.
    struct Terms {
        address token; // zero while not for sale
        uint96 price; // smallest units
        uint32 duration; // seconds; 0 without expiry
        bool transferable;
        bytes32 licence; // digest of the CID of the licence's text
    }

    /// @notice The terms of one version, and since when licences are sold under them.
    struct Sale {
        address token; // zero while not for sale
        uint96 price; // smallest units
        uint32 duration; // second word: seconds; 0 without expiry
        bool transferable;
        uint40 begin; // Unix seconds
        bytes32 licence; // digest of the CID of the licence's text
    }

    struct Licence {
        StudyId model;
        uint32 version; // of the terms
        uint40 expiresAt; // Unix seconds; 0 without expiry
        bool transferable;
    }

    event Credited(StudyId indexed study, RoundId indexed round, SeatSet seats);
    event ModelRegistered(
        StudyId indexed study, bytes32 model, bytes32 spec, uint16 finals, SeatSet attesters, uint256[] shares
    );
    event TermsSet(StudyId indexed model, uint32 indexed version, Terms terms, uint40 begin);
    event LicenceSold(
        StudyId indexed model,
        uint256 indexed licence,
        address indexed to,
        uint32 version,
        address buyer,
        uint256 fee,
        uint40 expiresAt
    );
    event ModelWithdrawn(StudyId indexed model);
    event ModelSuperseded(StudyId indexed model, StudyId indexed by);
    event FeesClaimed(StudyId indexed model, address indexed token, address indexed account, uint256 amount);

    error StudyNotCompleted(StudyId study, IFederatedRounds.State state);
    error DisputesOpen(StudyId study, uint256 until);
    error RoundNotCredited(StudyId study, uint256 credited, uint256 finals);
    error AlreadyCredited(StudyId study, RoundId round, SeatId seat);
    error UpdatesDiffer(uint256 seats, uint256 updates);
    error AlreadyRegistered(StudyId study);
    error NotRegistered(StudyId study);
    error NotTheSeller(StudyId model, address account);
    error NotForSale(StudyId model, uint32 version);
    error PriceAboveMaximum(uint256 price, uint256 maximum);
    error ModelIsWithdrawn(StudyId model);
    error SupersededByOlder(StudyId model, StudyId by);
    error NotTransferable(uint256 licence);
    error NothingEarned(StudyId model, address account);

    /// @notice Adds the scores of included seats of a final round whose claims are unlocked to the study's book: each round adds up to 1e18 at
    /// most, and to less where updates were left out or a seat is paid nothing. Once per round and seat. Anyone may call.
    /// @param updates Of `seats`, in the same order.
    function credit(
        StudyId study,
        RoundId round,
        Aggregate calldata aggregate,
        SeatId[] calldata seats,
        Update[] calldata updates
    ) external;

    /// @notice Registers the model of a completed study whose disputes are over and whose final rounds are all credited; freezes the shares.
    /// Anyone may call.
    /// @param last The aggregate of the round that completed the study.
    function register(StudyId study, Aggregate calldata last) external;

    /// @notice Announces terms; licences sold before keep theirs. By the sponsor or the consortium. They begin after a notice of three days,
    /// those that end the sale at once. Terms that have not begun are replaced, and their version is the new ones'. So nobody sells to friends
    /// between two prices: whatever price is asked is asked of everybody, for three days at least, and known three days before.
    function setTerms(StudyId model, Terms calldata terms) external returns (uint32 version);

    /// @notice Buys a licence under the newest terms that have begun, for `to`; the buyer has approved the vault for the price.
    function buy(StudyId model, uint32 version, uint256 maxPrice, address to)
        external
        returns (uint256 licence);

    /// @notice Ends the sale; licences stay, and their holders can see it. By the sponsor or the consortium.
    function withdrawModel(StudyId model) external;

    /// @notice Points to a later model; holders can see it. By the sponsor or the consortium.
    function supersede(StudyId model, StudyId by) external;

    /// @notice Puts a seat's part of the fees into its hospital's free balance. Anyone may call.
    function claimFees(StudyId model, SeatId seat, address token) external;

    /// @notice Puts the sponsor's part of the fees into its free balance: the study's `sponsorFeeBps`, but no more than the patients' part
    /// leaves. Anyone may call.
    function claimSponsorFees(StudyId model, address token) external;

    /// @notice Pays the caller its part of the patients' fees for one leaf of a cohort; links its account to the study, as
    /// `IPayouts.claimPatient` does. All leaves of a cohort together get no more than its weight's part.
    function claimPatientFees(
        StudyId model,
        RoundId round,
        SeatId seat,
        address token,
        Aggregate calldata aggregate,
        Update calldata update,
        IPayouts.PatientLeaf calldata leaf
    ) external;

    /// @notice Whether `account` holds this licence and it has not expired.
    function isLicensed(address account, uint256 licence) external view returns (bool);

    function getModel(StudyId model) external view returns (Model memory);

    function getTerms(StudyId model, uint32 version) external view returns (Sale memory);

    function getLicence(uint256 licence) external view returns (Licence memory);

    /// @notice A seat's part of the hospitals' fees: of `total`, which is 1e18 for each final round. Grows with `credit` until the model is
    /// registered. All seats together have less where updates were left out.
    function shareOf(StudyId model, SeatId seat) external view returns (uint256 share, uint256 total);

    /// @notice All fees that a model has brought in one token, smallest units.
    function feesOf(StudyId model, address token) external view returns (uint256);

    /// @notice How many licences were sold of all models; they are numbered from 1.
    function licenceCount() external view returns (uint256);
}
