// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Purposes
/// @notice What data may be used for: codes of the GA4GH Data Use Ontology (DUO) as bits of a `uint32`. The table that
/// says what each code means is `docs/purposes.md`; the Python twin is `medfed.protocol.purposes`.
/// @dev Who consents names what it permits (bits 0 to 5), what it denies (8, 11) and its conditions. Who requests names
/// what it does and the conditions it meets. A dataset's permitted uses are judged exactly as a patient's consent.
///
///     NRES ⊃ GRU ⊃ HMB ⊃ DS        GRU ⊃ POA        NRES ⊃ CC
///
///     bit  code   DUO          bit  code   DUO          bit  code   DUO          bit  code   DUO
///      0   GRU    0000042       8   NPOA   0000044      15   COL    0000020      24   RS     0000012
///      1   HMB    0000006      11   NMDS   0000015      16   RTN    0000029      25   GS     0000022
///      2   DS     0000007      12   GSO    0000016      17   NPU    0000045      26   MOR    0000024
///      3   POA    0000011      13   IRB    0000021      18   NCU    0000046      27   TS     0000025
///      4   CC     0000043      14   PUB    0000019      19   NRI    ours         28   US     0000026
///      5   NRES   0000004                               20   NGU    ours         29   PS     0000027
///      6   MDS    ours                                                           30   IS     0000028
///
/// NPUNCU (DUO:0000018) is NPU and NCU. MDS is for requests alone: the study develops methods, which every permission
/// allows unless NMDS denies it. Bit 31 is no code: a consent that has it is followed by its details, which are not judged
/// here; nobody asks for it, and whoever consents does not name it.
library Purposes {
    uint32 internal constant GRU = 1 << 0;
    uint32 internal constant HMB = 1 << 1;
    uint32 internal constant DS = 1 << 2;
    uint32 internal constant POA = 1 << 3;
    uint32 internal constant CC = 1 << 4;
    uint32 internal constant NRES = 1 << 5;
    uint32 internal constant MDS = 1 << 6;
    uint32 internal constant NPOA = 1 << 8;
    uint32 internal constant NMDS = 1 << 11;

    /// @dev All permissions: bits 0 to 5.
    uint32 internal constant PERMISSIONS = (1 << 6) - 1;
    /// @dev The kinds of research, of which a request names one at most.
    uint32 internal constant RESEARCH = GRU | HMB | DS | POA;
    /// @dev What a study can do with data.
    uint32 internal constant USES = RESEARCH | CC | MDS;
    /// @dev What a consent excludes from what it permits, and a request from any research (GRU); each five bits above what it
    /// denies.
    uint32 internal constant DENIALS = NPOA | NMDS;
    /// @dev Conditions that a study's sponsor promises to meet: bits 12 to 20.
    uint32 internal constant PROMISED = (1 << 21) - (1 << 12);
    /// @dev Conditions that carry a parameter, met where the dataset's owner confirmed it: bits 24 to 30.
    uint32 internal constant PARAMETERISED = (1 << 31) - (1 << 24);
    /// @dev All conditions.
    uint32 internal constant CONDITIONS = PROMISED | PARAMETERISED;
    /// @dev Of a consent on chain: its details are kept beside it.
    uint32 internal constant DETAILS = 1 << 31;
    /// @dev All bits that have a code.
    uint32 internal constant DEFINED = PERMISSIONS | MDS | DENIALS | CONDITIONS;

    /// @dev Bit by bit, whether the four bits of RESEARCH that make this number name one kind at most: 0, 1, 2, 4 and 8.
    uint256 private constant _ONE_OR_NONE = 0x0117;

    /// @notice `purposes` has bits that no code is given to, or, for a consent, MDS.
    error UndefinedPurposes(uint32 purposes, uint32 undefined);

    /// @notice `purposes` allows nothing: a consent names at least one permission (GRU, HMB, DS, POA, CC, NRES) that it
    /// does not deny.
    error NoPermission(uint32 purposes);

    /// @notice `purposes` says that there is no restriction (NRES), and names one.
    error RestrictedNRES(uint32 purposes);

    /// @notice `purposes` cannot be requested: a request names one of GRU, HMB, DS, POA, or clinical care (CC), or both; not
    /// NRES, not POA with NPOA, not MDS with NMDS.
    error AmbiguousRequest(uint32 purposes);

    /// @notice `confirmed` has conditions that nobody has to confirm for this study: `unasked`.
    error UnaskedConfirmation(uint32 confirmed, uint32 unasked);

    /// @notice Whether data given for `consented` may be used for `requested`, as far as purposes go. No for anything malformed.
    function permits(uint32 consented, uint32 requested) internal pure returns (bool) {
        // One sum of all that is amiss instead of a branch for each: consents are judged on chain, and often.
        uint256 amiss = uint256(consented) & ~uint256(DEFINED ^ MDS | DETAILS) | _requestedUses(requested)
            & ~_permittedUses(consented) | uint256(consented) & CONDITIONS & ~uint256(requested)
            | _strangeInRequest(requested);
        return amiss == 0 && _namesUse(requested);
    }

    /// @notice What the patients of a dataset with this disease are asked for, given a study's purposes and disease: for
    /// disease specific research (DS) into another disease, health research (HMB).
    /// @dev A patient's DS means the dataset's disease and never serves another. Codes are compared as they are: a study
    /// of a subtype asks under the code that the dataset has, or for HMB.
    function asked(uint32 requested, uint24 disease, uint24 requestedDisease) internal pure returns (uint32) {
        // Both is no request, and stays none.
        if (requested & (HMB | DS) != DS || requestedDisease == disease && disease != 0) return requested;
        return requested ^ (HMB | DS);
    }

    /// @notice Whether a dataset with these uses and this disease may take part in a study: data for GRU or HMB serve
    /// research into any disease, data for DS into their own.
    function permitsStudy(uint32 uses, uint24 disease, uint32 requested, uint24 requestedDisease)
        internal
        pure
        returns (bool)
    {
        return permits(uses, asked(requested, disease, requestedDisease));
    }

    /// @notice `requested` without the parameterised conditions that are not `confirmed`: what a seat's study meets.
    function met(uint32 requested, uint32 confirmed) internal pure returns (uint32) {
        return requested & (~PARAMETERISED | confirmed);
    }

    /// @notice Whether everything that `to` permits was permitted by `from` already.
    function narrows(uint32 from, uint32 to) internal pure returns (bool) {
        return _permittedUses(to) & ~_permittedUses(from) == 0 && from & CONDITIONS & ~to == 0;
    }

    /// @notice Parameterised conditions as one byte, e.g. those that a seat's owner confirmed.
    function toByte(uint32 purposes) internal pure returns (uint8) {
        return uint8((purposes & PARAMETERISED) >> 24);
    }

    /// @notice The conditions of such a byte; its highest bit means nothing and stays.
    function fromByte(uint8 conditions) internal pure returns (uint32) {
        return uint32(conditions) << 24;
    }

    /// @notice Reverts unless `purposes` can be consented to.
    function requireConsent(uint32 purposes) internal pure {
        uint32 undefined = uint32(_undefinedConsent(purposes));
        require(undefined == 0, UndefinedPurposes(purposes, undefined));
        require(_permittedUses(purposes) & (RESEARCH | CC) != 0, NoPermission(purposes));
        require(purposes & NRES == 0 || purposes & (DENIALS | CONDITIONS) == 0, RestrictedNRES(purposes));
    }

    /// @notice Reverts unless `purposes` can be requested.
    function requireRequest(uint32 purposes) internal pure {
        require(purposes & ~DEFINED == 0, UndefinedPurposes(purposes, purposes & ~DEFINED));
        require(_isRequest(purposes), AmbiguousRequest(purposes));
    }

    /// @notice Reverts unless `confirmed` are parameterised conditions that `requested` names.
    function requireConfirmable(uint32 requested, uint32 confirmed) internal pure {
        uint32 unasked = confirmed & ~(requested & PARAMETERISED);
        require(unasked == 0, UnaskedConfirmation(confirmed, unasked));
    }

    /// @dev Numbers of 256 bits from here on: with fewer each step would cut what is above them.
    function _undefinedConsent(uint256 purposes) private pure returns (uint256) {
        return purposes & ~uint256(DEFINED ^ MDS);
    }

    function _isRequest(uint256 purposes) private pure returns (bool) {
        return _strangeInRequest(purposes) == 0 && _namesUse(purposes);
    }

    /// @dev What no request names.
    function _strangeInRequest(uint256 purposes) private pure returns (uint256) {
        return purposes & ~uint256(DEFINED ^ NRES) | purposes & _denied(purposes);
    }

    /// @dev Whether there is one kind of research, clinical care, or both.
    function _namesUse(uint256 purposes) private pure returns (bool) {
        return purposes & (RESEARCH | CC) != 0 && _ONE_OR_NONE >> (purposes & RESEARCH) & 1 == 1;
    }

    /// @dev What a study does that names these purposes. Any research (GRU) is into origins and into methods too, unless the
    /// request denies it.
    function _requestedUses(uint256 requested) private pure returns (uint256 uses) {
        uses = requested & USES;
        if (uses & GRU != 0) uses = (uses | RESEARCH | MDS) & ~_denied(requested);
    }

    /// @dev All that a consent to these purposes lets studies do.
    function _permittedUses(uint256 consented) private pure returns (uint256 uses) {
        uses = consented & (RESEARCH | CC) | MDS;
        if (consented & NRES != 0) uses = USES;
        else if (uses & GRU != 0) uses |= RESEARCH;
        else if (uses & HMB != 0) uses |= DS;
        uses &= ~_denied(consented);
    }

    /// @dev The uses that the denials among `purposes` exclude.
    function _denied(uint256 purposes) private pure returns (uint256) {
        return (purposes & DENIALS) >> 5;
    }
}
