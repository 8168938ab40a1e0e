// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Aggregate, AggregateId} from "../types/Aggregate.sol";
import {DatasetId} from "../types/DatasetId.sol";
import {RoundId} from "../types/RoundId.sol";
import {SeatId} from "../types/SeatId.sol";
import {SeatSet} from "../types/SeatSet.sol";
import {StudyId} from "../types/StudyId.sol";
import {Update} from "../types/Update.sol";

/// @title Studies under way: seats and rounds
/// @notice Hospitals enrol with a dataset and a stake, commit to one update per round, and attest to the aggregate that they
/// recomputed. Two thirds of a round's submitters make it final and open the next one; `IClaims` makes it final by time, and `IProofs`
/// takes wrong updates out and undoes wrong results. A seat is a hospital's place in a study. The phase of a round is a function of
/// stored facts and time; nothing needs a scheduler.
/// @dev Assumes of the chain that block times never fall. Holds no funds: `IStakeVault` does. Its address is the root of an audit: it names
/// every other contract of its deployment.
interface IFederatedRounds {
    enum State {
        None,
        Enrolling,
        Running,
        Completed,
        Aborted
    }

    enum Phase {
        None, // no such round
        Training,
        Screening, // masked studies only
        Unmasking, // masked studies only
        Aggregating,
        Final,
        Void,
        Tainted,
        Refuted
    }

    enum Outcome {
        Open,
        Final,
        Void, // no result
        Tainted, // was final; an update in its result was proved wrong
        Refuted // was final; its result was proved wrong
    }

    /// @notice The other contracts of the deployment, fixed at construction.
    struct Deployment {
        address consortium;
        address datasets;
        address consents;
        address vault;
        address studies;
        address claims;
        address proofs;
        address payouts;
        address market;
    }

    /// @notice What rounds need of a study. One word.
    struct Study {
        State state;
        uint8 members; // seats taken
        uint8 minHospitals;
        RoundId round; // the newest round; 0 while enrolling
        uint16 finals; // rounds that were ever final
        uint16 rounds; // final rounds to complete the study
        uint8 voids; // void rounds so far
        uint8 maxVoids;
        uint16 cohortStep;
        uint24 trainingSeconds;
        uint24 aggregatingSeconds;
        uint24 disputeSeconds;
        uint32 maxWeight;
        RoundId undoneFrom; // the first round whose result was undone by a proof; 0 for none
        uint32 endedAt; // Unix seconds, written once: when the study completed or aborted
    }

    /// @notice What a study says about its rounds.
    struct RoundTerms {
        uint8 minHospitals;
        uint16 rounds;
        uint8 maxVoids;
        uint16 cohortStep;
        uint24 trainingSeconds;
        uint24 aggregatingSeconds;
        uint24 disputeSeconds;
        uint32 maxWeight;
    }

    /// @notice What enrolling needs of a study. Three words.
    struct Enrolment {
        address token;
        uint96 stake;
        address sponsor; // second word
        uint32 enrolDeadline;
        uint32 purposes;
        uint24 disease;
        uint8 maxHospitals;
        bytes32 spec; // third word
    }

    /// @notice One word.
    struct Seat {
        address hospital;
        DatasetId dataset;
        uint16 version; // pinned version of the dataset
        uint24 records; // pinned record count
        uint8 confirmed; // what the hospital confirmed of the study's codes that carry a parameter, as by Purposes.toByte
        RoundId barredFrom; // in this round its update, its claim or a result that it attested to was proved wrong: the seat submits no
        // more, and this round and later ones pay it nothing; 0 for none
    }

    /// @notice One word.
    struct Round {
        uint32 openedAt; // Unix seconds; the cohort is that of the second before
        uint32 closedAt; // when all had acted; 0 if they have not (all)
        uint32 totalWeight; // of the submitted updates
        uint8 acted; // how many have submitted or abstained
        SeatSet submitted; // whose updates may be included
        SeatSet attested;
        Outcome outcome;
        uint16 finalsBefore; // final rounds before this one
    }

    /// @notice One word for each aggregate that anyone attested to.
    struct Ballot {
        SeatSet attesters;
        SeatSet included;
        uint32 finalAt; // Unix seconds; 0 unless this aggregate became the round's result
        uint32 weight; // of the updates it includes
        SeatSet paid; // the seats that were paid for the round, if this became its result
    }

    /// @notice One word, only for rounds in which somebody abstained or an update was proved wrong.
    struct Absence {
        SeatSet abstained;
        SeatSet struck; // whose update was proved wrong; it earns nothing
        SeatSet paid; // the seats that had their part of a stake that such an update left, if the round is void
        SeatSet keptAway; // who abstained, or was said to, while its hospital was suspended or it was barred
    }

    /// @notice What the pay of one seat for one round depends on.
    struct Earning {
        Outcome outcome;
        address hospital;
        bool barred; // an update or an attestation of it was proved wrong, in this round or before
        uint256 unlockedAt; // Unix seconds: no proof can change any more what follows
        bool attested; // to the result, with an update that stayed in the set
        SeatSet included; // in the result, and not proved wrong
        SeatSet submitted;
        SeatSet absent; // all other seats
        uint256 due; // how many submitted; `IPayouts` adds those that were kept from it, and their weight
        uint32 weight; // of the updates in the result
        uint32 totalWeight; // of the submitted ones
        uint16 cohortStep;
        bytes32 commitment; // to the seat's update
    }

    /// @notice What a claim of one seat to end a round by time depends on.
    struct Claimant {
        address hospital;
        bool barred;
        address token; // of the study's stakes
        Phase phase;
        uint256 openToAllAt; // Unix seconds; before, claiming is the leader's
        SeatSet submitted;
        uint32 totalWeight; // of the submitted updates
        uint8 minHospitals;
    }

    /// @notice `confirmed` are the codes, as in Purposes, that the hospital says the study meets as its data asks for them.
    event Enrolled(
        StudyId indexed study,
        address indexed hospital,
        DatasetId indexed dataset,
        SeatId seat,
        uint16 version,
        uint24 records,
        uint32 confirmed
    );
    event RoundOpened(StudyId indexed study, RoundId indexed round);
    event TrainingClosed(StudyId indexed study, RoundId indexed round);
    event UpdateSubmitted(StudyId indexed study, RoundId indexed round, SeatId indexed seat, Update update);
    event Abstained(StudyId indexed study, RoundId indexed round, SeatId indexed seat);
    event AggregateProposed(
        StudyId indexed study, RoundId indexed round, AggregateId aggregateHash, Aggregate aggregate
    );
    event Attested(StudyId indexed study, RoundId indexed round, AggregateId aggregateHash, SeatSet seats);
    event RoundFinal(StudyId indexed study, RoundId indexed round, AggregateId aggregateHash);
    event RoundVoid(StudyId indexed study, RoundId indexed round);
    /// @notice An update was proved wrong. It left the round's set, if the round was open; it earns nothing, and its seat submits no more.
    event UpdateStruck(StudyId indexed study, RoundId indexed round, SeatId indexed seat, uint32 weight);
    /// @notice An update in the round's result was proved wrong. `attesters` had attested to it: this round and later ones pay them nothing.
    event RoundTainted(
        StudyId indexed study, RoundId indexed round, AggregateId aggregateHash, SeatSet attesters
    );
    /// @notice The round's result was proved wrong. `attesters` had attested to it: this round and later ones pay them nothing.
    event RoundRefuted(
        StudyId indexed study, RoundId indexed round, AggregateId aggregateHash, SeatSet attesters
    );
    event StudyCompleted(StudyId indexed study);
    event StudyAborted(StudyId indexed study);

    error DeadlinePassed(uint256 deadline, uint256 now_);
    error NotEnrolling(StudyId study, State state);
    error NotRunning(StudyId study, State state);
    error NotTheSponsor(StudyId study, address account);
    error NotAnActiveHospital(address account);
    error AlreadyEnrolled(StudyId study, address hospital);
    error StudyFull(StudyId study, uint8 members);
    /// @notice The study's spec is another one than the hospital looked at.
    error SpecDiffers(StudyId study, bytes32 spec);
    /// @notice The study asks for a larger stake than the hospital named.
    error StakeTooLarge(StudyId study, uint256 stake, uint256 largest);
    error WrongPhase(StudyId study, RoundId round, Phase phase);
    error NotTheSeatsOperator(StudyId study, SeatId seat, address account);
    error HospitalSuspended(StudyId study, SeatId seat);
    error AlreadyActed(StudyId study, RoundId round, SeatId seat);
    error SeatBarred(StudyId study, SeatId seat);
    error WeightNotAllowed(uint256 weight, uint256 step, uint256 most);
    error NotASubmitter(StudyId study, RoundId round, SeatId seat);
    error AlreadyAttested(StudyId study, RoundId round, SeatId seat);
    error AggregateUnknown(StudyId study, RoundId round, AggregateId aggregateHash);
    error IncludedNotSubmitted(SeatSet included, SeatSet submitted);
    /// @notice A result is over two thirds of the submitters at least.
    error TooFewIncluded(uint256 included, uint256 submitters);
    error TooFewSubmitted(SeatSet submitted, uint256 least);
    /// @notice The updates that are left out are to be shown, in the order of their seats.
    error LeftOutCount(uint256 shown, uint256 expected);
    error UpdateMismatch(StudyId study, RoundId round, SeatId seat);
    error WrongTotalWeight(uint256 weight, uint256 expected);
    error AttestationClosed(StudyId study, RoundId round, uint256 closedAt);
    error SignatureCount(uint256 seats, uint256 signatures);
    /// @notice None of the signatures counts: they are of nobody who may attest, or of seats that have attested.
    error NoSignatureCounts(StudyId study, RoundId round);
    error NothingToAdvance(StudyId study, uint256 until);
    error NotFinal(StudyId study, RoundId round, AggregateId aggregateHash);
    error DisputeClosed(StudyId study, RoundId round, uint256 closedAt);
    error AlreadyPaid(StudyId study, RoundId round, SeatId seat);
    error AlreadyStruck(StudyId study, RoundId round, SeatId seat);
    error AlreadyRefuted(StudyId study, RoundId round, AggregateId aggregateHash);

    /// @notice Called by the studies contract: a study whose terms it has checked takes enrolments.
    function open(StudyId study, RoundTerms calldata terms, Enrolment calldata enrolment) external;

    /// @notice Takes a seat for the hospital that the caller operates, with one dataset and the stake from its free balance, as far as
    /// the hospital's allowance in the vault goes.
    /// @param spec The spec that the hospital has looked at.
    /// @param largestStake What it is ready to stake.
    /// @param confirmed Those of the study's codes that carry a parameter (`Purposes.PARAMETERISED`) of which the hospital says that the study meets
    /// them as its data asks for them. The dataset's uses, and its patients, are asked for the study's purposes with these and no others.
    function enrol(StudyId study, DatasetId dataset, bytes32 spec, uint96 largestStake, uint32 confirmed)
        external
        returns (SeatId seat);

    /// @notice The sponsor takes the study back while it is enrolling.
    function cancel(StudyId study) external;

    /// @notice Commits to an update. The bytes are published when Training has closed.
    function submitUpdate(StudyId study, RoundId round, SeatId seat, Update calldata update) external;

    /// @notice Present without work; anyone may say it for a suspended hospital, or one that may submit no more.
    function abstain(StudyId study, RoundId round, SeatId seat) external;

    /// @notice Attests to an aggregate given in full. The attestation that makes two thirds of the submitters ends the round and
    /// opens the next. Attestations to the final aggregate are taken for half of the dispute window. Where an update leaves the set before
    /// the end, aggregates that include it count no more, and everybody may attest once more.
    /// @param leftOut The updates of the submitters that are not included, in the order of their seats: what the rest weighs follows.
    function attest(
        StudyId study,
        RoundId round,
        SeatId seat,
        Aggregate calldata aggregate,
        Update[] calldata leftOut
    ) external;

    /// @notice Attests to an aggregate that somebody has given in full before.
    function attestHash(StudyId study, RoundId round, SeatId seat, AggregateId aggregateHash) external;

    /// @notice Hands in attestations that were signed by the seats' operators. Those that do not count (any more) are passed over, so
    /// that nobody can undo the others'; reverts when none counts.
    /// @param seats The signers' seats.
    /// @param signatures For each seat, in their order, r and vs (ERC-2098) over
    /// Attestation(uint64 study,uint16 round,bytes32 aggregateHash).
    function attestBySig(
        StudyId study,
        RoundId round,
        Aggregate calldata aggregate,
        Update[] calldata leftOut,
        SeatId[] calldata seats,
        bytes32[2][] calldata signatures
    ) external;

    /// @notice Does what time allows: opens a study that has its hospitals, ends one that does not get them, voids a round that
    /// cannot end any more and that no claim holds open. Anyone may call; the sponsor may open a study with enough hospitals
    /// before its deadline.
    function advance(StudyId study) external;

    /// @notice Called by the claims contract: makes an aggregator's claim the result of a round, attested to by its author.
    function finaliseByTime(StudyId study, RoundId round, SeatId seat, Aggregate calldata aggregate) external;

    /// @notice Called by the proofs contract: an update of this weight was proved wrong. Its seat is barred from this round on. While the
    /// round is open the update leaves its set and all may attest anew. Where the round was final, before its claims unlock, and the update is part
    /// of the result, that result is undone: who attested to it is barred from this round on, and the study aborts.
    /// @param result The hash of the result of a round that was final; not read otherwise.
    /// @return open_ Whether the set of an open round changed.
    /// @return short Whether it fell below the study's least number of hospitals, after updates were due to be published.
    /// @return attesters Who attested to a result that this undid.
    function strike(StudyId study, RoundId round, SeatId seat, uint32 weight, AggregateId result)
        external
        returns (bool open_, bool short, SeatSet attesters);

    /// @notice Called by the claims contract: claims of these seats were proved wrong, before the round's claims unlocked. They are
    /// barred from this round on.
    function bar(StudyId study, RoundId round, SeatSet seats) external;

    /// @notice Called by the proofs contract: the result of a round was proved wrong, before the round's claims unlocked. It is undone, who
    /// attested to it is barred from this round on, and the study aborts, whether it was running, completed or aborted.
    /// @return attesters Who attested to it.
    function refute(StudyId study, RoundId round, AggregateId result) external returns (SeatSet attesters);

    /// @notice Called by the payouts contract: a seat is paid for a round, once. Answers and reverts as `earningOf`.
    function pay(StudyId study, RoundId round, SeatId seat, AggregateId result)
        external
        returns (Earning memory);

    /// @notice The rest of the deployment.
    function deployment() external view returns (Deployment memory);

    /// @notice The study's record; `State.None` when there is none.
    function getStudy(StudyId study) external view returns (Study memory);

    /// @notice What the study asks of whoever enrols.
    function getEnrolment(StudyId study) external view returns (Enrolment memory);

    /// @notice What is staked for a seat.
    function stakeOf(StudyId study) external view returns (address token, uint96 stake);

    /// @notice Who posted the study.
    function sponsorOf(StudyId study) external view returns (address);

    /// @notice A seat's record; it stays when the stake is released.
    function getSeat(StudyId study, SeatId seat) external view returns (Seat memory);

    /// @notice The seat of a hospital, if it has one.
    function seatOf(StudyId study, address hospital) external view returns (bool enrolled, SeatId seat);

    /// @notice The hospitals of some seats, in the order of these.
    function hospitalsOf(StudyId study, SeatSet seats) external view returns (address[] memory hospitals);

    /// @notice A round's record; all zero when it has not opened.
    function getRound(StudyId study, RoundId round) external view returns (Round memory);

    /// @notice The ballot of one aggregate.
    function getBallot(StudyId study, RoundId round, AggregateId aggregateHash)
        external
        view
        returns (Ballot memory);

    /// @notice Who abstained, and whose update was proved wrong.
    function getAbsence(StudyId study, RoundId round) external view returns (Absence memory);

    /// @notice A seat's commitment to its update; zero if there is none.
    function updateOf(StudyId study, RoundId round, SeatId seat) external view returns (bytes32 commitment);

    /// @notice The commitments of some seats, in the order of these.
    function updatesOf(StudyId study, RoundId round, SeatSet seats)
        external
        view
        returns (bytes32[] memory commitments);

    /// @notice How a round stands now: its phase, whose updates may be included, when it was opened, and when it ended (0 while it is
    /// open), Unix seconds.
    function standingOf(StudyId study, RoundId round)
        external
        view
        returns (Phase phase, SeatSet submitted, uint256 openedAt, uint256 endedAt);

    /// @notice What a claim of a seat depends on.
    function claimantOf(StudyId study, RoundId round, SeatId seat) external view returns (Claimant memory);

    /// @notice What a seat's pay for a round depends on. Reverts unless the aggregate became the round's result, or the round is void.
    /// @param result The hash of the round's result; not read where the round is void.
    function earningOf(StudyId study, RoundId round, SeatId seat, AggregateId result)
        external
        view
        returns (Earning memory);
}
