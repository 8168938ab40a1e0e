"""One sentence for each custom error that people meet; `{name}` is replaced by the error's value of that name."""

from __future__ import annotations

__all__ = ["SENTENCES"]

_ROLES = {
    "AccessManagedUnauthorized": "Account {caller} does not hold the role that this needs; use an account that does.",
    "AccessManagedRequiredDelay": "Account {caller} has to announce this {delay} s before it is done.",
    "AccessManagerUnauthorizedAccount": "Account {msgsender} does not hold role {role_id}; use an account that does.",
    "EnforcedPause": "The consortium has paused this; it can be done again when the pause is lifted.",
    "ExpectedPause": "Nothing is paused that could be taken up again.",
}

_HOSPITALS = {
    "HospitalAlreadyAdmitted": "Hospital {hospital} is admitted already.",
    "HospitalUnknown": "Account {hospital} is no hospital of the consortium; ask for admission with its admin account.",
    "HospitalNotActive": "Hospital {hospital} is not active but {status}; the consortium has to admit or reinstate it.",
    "HospitalNotSuspended": "Hospital {hospital} is not suspended.",
    "OperatorTaken": "Account {operator} works for hospital {hospital} already; an operator serves one hospital.",
    "AccountZero": "The zero address cannot be a hospital or an operator.",
    "NotAnActiveOperator": "Account {account} is not the operator of an active hospital.",
    "NotAnActiveHospital": "Account {account} is not the operator of an active hospital.",
}

_DATASETS = {
    "DatasetEmpty": "A dataset needs at least one record.",
    "DatasetEnrolled": "Dataset {dataset} is in {enrolments} running studies; wait until they have ended.",
    "DatasetIsRetired": "Dataset {dataset} is retired; register a new one.",
    "ERC721NonexistentToken": "There is no dataset {token_id}.",
    "NotTheOwner": "Dataset {dataset} does not belong to hospital {hospital}.",
    "NotTheOwnersOperator": "Account {account} does not operate the hospital that owns dataset {dataset}.",
    "QualityOutOfRange": "A quality of {quality} is beyond the scale, which ends at {limit}.",
    "NoPermission": "The purposes {purposes} permit nothing: at least one of GRU, HMB, DS or POA is needed.",
    "UndefinedPurposes": "The purposes {purposes} contain bits that mean nothing ({undefined}).",
}

_CONSENTS = {
    "ExpiryPassed": "The consent would end on day {expiry_day} (since 1970), before it begins; choose a later day.",
    "GrantInRevokeAllSecond": "All consents were revoked in this very second; grant again in the next.",
    "NothingToNarrow": "Patient {patient} has no active consent for dataset {dataset_id} that could be narrowed.",
    "NotNarrower": "A narrowing may only take away: the new consent would permit more, or last longer.",
    "AlreadyRevoked": "The consent of {patient} for dataset {dataset_id} is revoked already.",
    "NotDatasetOwner": "Only the owner of dataset {dataset_id}, {owner}, may revoke for a patient.",
    "InvalidSignature": "The signature is not one of patient {patient} for this chain and contract; sign again.",
    "SignatureExpired": "The signature was good until second {deadline}, it is {at} now; sign again.",
    "SignatureFromFuture": "The signature says it is issued at {issued_at}, it is only {at} now; check the clock.",
    "SignatureOvertaken": "A decision of second {latest} came after this signature of {issued_at}; sign again.",
    "NotYetPast": "Second {t} is not past yet; ask for an earlier one.",
    "BrokenHistory": "Word {index} of those shown is not the one that the chain commits to.",
    "HistoryTooShort": "The {shown} words shown do not reach the second asked for; show the whole history.",
    "InsufficientGas": "The batch was sent with too little gas; send it with more, or make it smaller.",
}

_VAULT = {
    "TokenNotAllowed": "The consortium does not take token {token}.",
    "AmountZero": "The amount is zero.",
    "FreeBalanceTooSmall": "{account} has {free} of token {token} free in the vault and needs {needed}; deposit more.",
    "NothingToWithdraw": "{account} has asked for no exit of token {token}; request one first.",
    "ExitNotAvailable": "The exit can be withdrawn from second {available_at} on; it is {now_} now.",
    "FundedShort": "Only {received} of {needed} tokens arrived; tokens that take a fee cannot pay a study.",
    "ERC20InsufficientAllowance": "{spender} may draw {allowance} tokens and needs {needed}; approve it first.",
    "ERC20InsufficientBalance": "{sender} has {balance} tokens and needs {needed}.",
    "ERC2612ExpiredSignature": "The permission to draw tokens ended at second {deadline}; sign a new one.",
    "ERC2612InvalidSigner": "The permission to draw tokens is signed by {signer}, not by {owner}.",
}

_STUDIES = {
    "PhaseLengthOutOfRange": "A phase of {length} s is not allowed here: between {least} and {most} s.",
    "DisputeLengthOutOfRange": "A dispute window of {length} s is not allowed here: between {least} and {most} s.",
    "HospitalsOutOfRange": "Between {least} and {most} hospitals is not possible: at least 2, at most {limit}.",
    "RoundsZero": "A study needs at least one round.",
    "CohortStepOutOfRange": "A cohort step of {step} is not possible with updates of weight {max_weight} at most.",
    "SumCouldWrap": "{max_hospitals} hospitals with weight {max_weight} and {steps} steps could overflow the sum; lower one.",
    "VectorEmpty": "An update of {words} words with {steps} steps is none; both are at least 1.",
    "AttemptsOutOfRange": "{attempts} claims in a round are too many: at most {limit}.",
    "BondZero": "A study that takes aggregators' claims asks for a bond; set one, or allow no claims.",
    "RuleNotPerChunk": "Rule {rule} cannot be checked chunk by chunk, so its rounds end by a quorum only; allow no claims.",
    "ShareOutOfRange": "A share of {bps} basis points is too large: at most {limit}.",
    "DeadlinePassed": "The deadline was second {deadline}, it is {now_} now.",
    "NotEnrolling": "Study {study} takes no hospitals: it is in state {state}.",
    "NotRunning": "Study {study} is not running: it is in state {state}.",
    "NotEnded": "Study {study} has not ended: it is in state {state}.",
    "NotTheSponsor": "Account {account} is not the sponsor of study {study}.",
    "AlreadyEnrolled": "Hospital {hospital} is enrolled in study {study} already.",
    "StudyFull": "Study {study} has all its {members} hospitals.",
    "UseNotPermitted": "Dataset {dataset} is not permitted for the purpose of study {study}.",
    "NothingToAdvance": "Study {study} has nothing to do before second {until}.",
}

_ROUNDS = {
    "WrongPhase": "Round {round} of study {study} is not in the phase for this; its phase is {phase}.",
    "NotTheSeatsOperator": "Account {account} is not the operator of seat {seat} in study {study}.",
    "HospitalSuspended": "The hospital of seat {seat} in study {study} is suspended; it can only abstain.",
    "AlreadyActed": "Seat {seat} has submitted or abstained in round {round} of study {study} already.",
    "WeightNotAllowed": "A weight of {weight} is not allowed: a multiple of {step}, at most {most}.",
    "NotASubmitter": "Seat {seat} did not submit in round {round} of study {study}, so it cannot attest.",
    "AlreadyAttested": "Seat {seat} has attested in round {round} of study {study} already.",
    "AggregateUnknown": "Nobody gave aggregate {aggregate_hash} in round {round} of study {study}; attest in full.",
    "IncludedNotSubmitted": "The aggregate includes seats that did not submit.",
    "TooFewIncluded": "The aggregate includes {included} updates; the study asks for {least}.",
    "WrongTotalWeight": "The aggregate has weight {weight}, which does not fit the submitted {total}.",
    "AttestationClosed": "Attestations for round {round} of study {study} were taken until second {closed_at}.",
    "SignatureCount": "{signatures} signatures were given for {seats} seats.",
    "BadSignature": "The signature for seat {seat} is by {recovered}, who is not its operator.",
    "NothingToRecord": "No absence in round {round} of study {study} is left to record.",
    "RecordingClosed": "Absences in study {study} were recorded until second {closed_at}; its stakes are free since.",
    "ClaimLocked": "Claims of round {round} of study {study} unlock after second {until}.",
    "NotFinal": "Aggregate {aggregate_hash} is not the result of round {round} of study {study}.",
    "AlreadyClaimed": "Seat {seat} was paid for round {round} of study {study} already.",
    "UpdateMismatch": "The update shown is not what seat {seat} committed to in round {round} of study {study}.",
    "NothingToClaim": "Seat {seat} has earned nothing in round {round} of study {study}.",
    "StakeLocked": "Stakes of study {study} unlock after second {until}.",
    "AlreadyReleased": "The stake of seat {seat} in study {study} is released already.",
    "AlreadyRefunded": "Study {study} is refunded already.",
    "SeatStruck": "An update of seat {seat} in study {study} was proved wrong; its hospital submits no more.",
    "PayVoid": "Round {void_from} of study {study} was proved wrong: it and later rounds pay nobody.",
    "ChunkLength": "A chunk has {expected} bytes, not {length}.",
}

_DISPUTES = {
    "QuorumOnly": "Rounds of study {study} end by a quorum only; attest instead.",
    "AttemptsExhausted": "Round {round} of study {study} has had all its {limit} claims; attest instead.",
    "AttemptPending": "Claim {attempt} in round {round} of study {study} is pending; wait for its window or object.",
    "AlreadyAttempted": "Seat {seat} has made its claim in round {round} of study {study}.",
    "SeatBarred": "A claim of seat {seat} in study {study} was proved wrong; its hospital makes no more.",
    "NotTheLeader": "It is seat {leader}'s turn to claim in round {round} of study {study}; from second {open_to_all_at} all may.",
    "SetIncomplete": "A claim includes every submitted update; wait for a quorum where one has to be left out.",
    "NoAttemptPending": "No claim is pending in round {round} of study {study}.",
    "AttemptUnknown": "Round {round} of study {study} has no claim {attempt}.",
    "AttemptOver": "Claim {attempt} in round {round} of study {study} is settled already.",
    "AttemptDiffers": "The pending claim in round {round} of study {study} is another than {aggregate_hash}.",
    "ClaimWindowOpen": "The claim in round {round} of study {study} becomes final after second {until}.",
    "ClaimWindowClosed": "Objections in round {round} of study {study} were taken until second {closed_at}.",
    "BondLocked": "Bonds of round {round} of study {study} unlock after second {until}.",
    "NothingAtStake": "Nobody stands for aggregate {aggregate_hash} in round {round} of study {study}: no bond and no result.",
    "OpeningLength": "A challenge of this chunk shows {expected} words of 32 bytes, not {words}.",
    "UpdateNotOpened": "What is shown of seat {seat} is not what it committed to in round {round} of study {study}.",
    "ChunkNotProved": "The chunk shown does not stand at place {index} of the vector with this root.",
    "ChunkIndexOutOfRange": "There is no chunk {index} among {chunk_count}.",
    "UpdateCount": "The aggregate includes {expected} updates, {updates} were shown.",
    "ChallengeUnfounded": "Nothing is wrong there in round {round} of study {study}.",
    "DisputeClosed": "Round {round} of study {study} could be disputed until second {closed_at}.",
    "AlreadyStruck": "The update of seat {seat} in round {round} of study {study} was proved wrong already.",
    "AlreadyRefuted": "Everybody who attested to {aggregate_hash} has lost the stake for it already.",
}

_REWARDS = {
    "NotReviewed": "Study {study} does not pay by reviews.",
    "ReviewClosed": "This part of the reviews of round {round} of study {study} was over at second {closed_at}.",
    "ReviewNotOpen": "This part of the reviews of round {round} of study {study} begins at second {opens_at}.",
    "AlreadyCommitted": "Seat {seat} has committed to a review of round {round} of study {study} already.",
    "AlreadyRevealed": "Seat {seat} has revealed its review of round {round} of study {study} already.",
    "ReviewMismatch": "The review shown is not the one that seat {seat} committed to in round {round} of study {study}.",
    "ScoreCount": "A review has a score for each of the {expected} submitted updates, not {scores} scores.",
    "AlreadyTallied": "The reviews of round {round} of study {study} are tallied already.",
    "NotTallied": "The reviews of round {round} of study {study} have to be tallied first; `medfed study claim` does.",
    "NotInCohort": "{patient} is not in the cohort of seat {seat} in round {round} of study {study}.",
    "LeafClaimed": "This patient's part of round {round} of study {study} is paid already.",
    "SweepLocked": "What nobody claimed in study {study} goes back to its sponsor after second {until}, not before.",
    "NothingToSweep": "Nothing is left of the rewards of study {study}.",
}

SENTENCES: dict[str, str] = {
    "Error": "A contract refused: {message}.",
    **_ROLES,
    **_HOSPITALS,
    **_DATASETS,
    **_CONSENTS,
    **_VAULT,
    **_STUDIES,
    **_ROUNDS,
    **_REWARDS,
    **_DISPUTES,
}
