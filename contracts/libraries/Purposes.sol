// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Purposes
/// @notice What data may be used for: codes of the GA4GH Data Use Ontology (DUO) as bits of a `uint32`. The Python twin is
/// `medfed.protocol.purposes`; both are held together by `tests/vectors/purposes.json`.
/// @dev Two kinds of bits. Permissions (bits 0 to 3) say which research is allowed, and widen along the ontology:
///
///     GRU ⊃ HMB ⊃ DS        GRU ⊃ POA
///
/// Modifiers (from bit 8) are conditions. Who consents attaches them; who requests declares the ones it meets. A request
/// is permitted when a consented permission covers its one permission and it declares every consented modifier. A
/// dataset's permitted uses are judged exactly as a patient's consent.
///
///     bit  code    DUO          bit  code  DUO          bit  code  DUO          bit  code  DUO
///      0   GRU     0000042       8   NMDS  0000015      14   GS    0000022      20   RTN   0000029
///      1   HMB     0000006       9   GSO   0000016      15   MOR   0000024      21   CC    0000043
///      2   DS      0000007      10   NPUNCU 0000018     16   TS    0000025      22   NPU   0000045
///      3   POA     0000011      11   PUB   0000019      17   US    0000026      23   NCU   0000046
///                               12   COL   0000020      18   PS    0000027      24   RS    0000012
///                               13   IRB   0000021      19   IS    0000028      25   NPOA  0000044
///
/// NPUNCU is NPU and NCU together and means the same as both. NPOA forbids what POA allows, so nobody can request both.
library Purposes {
    uint32 internal constant GRU = 1 << 0;
    uint32 internal constant HMB = 1 << 1;
    uint32 internal constant DS = 1 << 2;
    uint32 internal constant POA = 1 << 3;
    uint32 internal constant NPUNCU = 1 << 10;
    uint32 internal constant NPU = 1 << 22;
    uint32 internal constant NCU = 1 << 23;
    uint32 internal constant NPOA = 1 << 25;

    /// @dev All permissions.
    uint32 internal constant PERMISSIONS = GRU | HMB | DS | POA;
    /// @dev All modifiers: bits 8 to 25.
    uint32 internal constant MODIFIERS = (1 << 26) - (1 << 8);
    /// @dev All bits that mean something.
    uint32 internal constant DEFINED = PERMISSIONS | MODIFIERS;

    /// @notice `purposes` has bits that no code is given to.
    error UndefinedPurposes(uint32 purposes, uint32 undefined);

    /// @notice `purposes` allows no kind of research: a consent names at least one permission (GRU, HMB, DS, POA).
    error NoPermission(uint32 purposes);

    /// @notice `purposes` cannot be requested: a request names exactly one permission, and not POA together with NPOA.
    error AmbiguousRequest(uint32 purposes);

    /// @notice Whether data given for `consented` may be used for `requested`. No for anything malformed.
    function permits(uint32 consented, uint32 requested) internal pure returns (bool) {
        if ((consented | requested) & ~DEFINED != 0 || consented & _covering(requested) == 0) return false;
        return _meets(requested, consented);
    }

    /// @notice Whether research into `requestedDisease` is research into `consentedDisease`; 0 is no disease.
    /// @dev Codes are compared as they are: a study of a subtype asks under the code that the dataset has.
    function permitsDisease(uint24 consentedDisease, uint24 requestedDisease) internal pure returns (bool) {
        return requestedDisease != 0 && consentedDisease == requestedDisease;
    }

    /// @notice Whether a dataset with these uses and this disease may take part in a study: `permits`, and for a request of
    /// disease specific research (DS) the same disease, so that a patient's DS consent, which means the dataset's disease,
    /// never serves another. A study across diseases requests HMB.
    function permitsStudy(uint32 uses, uint24 disease, uint32 requested, uint24 requestedDisease)
        internal
        pure
        returns (bool)
    {
        if (!permits(uses, requested)) return false;
        return requested & DS == 0 || permitsDisease(disease, requestedDisease);
    }

    /// @notice Whether everything that `to` permits was permitted by `from` already.
    function narrows(uint32 from, uint32 to) internal pure returns (bool) {
        return _widened(to) & ~_widened(from) & PERMISSIONS == 0 && _meets(to, from);
    }

    /// @notice Reverts unless `purposes` can be consented to.
    function requireConsent(uint32 purposes) internal pure {
        _requireDefined(purposes);
        require(purposes & PERMISSIONS != 0, NoPermission(purposes));
    }

    /// @notice Reverts unless `purposes` can be requested.
    function requireRequest(uint32 purposes) internal pure {
        _requireDefined(purposes);
        require(_covering(purposes) != 0, AmbiguousRequest(purposes));
    }

    function _requireDefined(uint32 purposes) private pure {
        require(purposes & ~DEFINED == 0, UndefinedPurposes(purposes, purposes & ~DEFINED));
    }

    /// @dev The permissions that cover a request's one permission; none for a request without exactly one, or with POA and
    /// NPOA, which contradict each other.
    function _covering(uint32 requested) private pure returns (uint32) {
        uint32 kind = requested & PERMISSIONS;
        if (kind == HMB) return GRU | HMB;
        if (kind == DS) return GRU | HMB | DS;
        if (kind == GRU) return GRU;
        return kind == POA && requested & NPOA == 0 ? GRU | POA : 0;
    }

    /// @dev With every permission that those present include.
    function _widened(uint32 purposes) private pure returns (uint32) {
        if (purposes & GRU != 0) return purposes | PERMISSIONS;
        return purposes & HMB != 0 ? purposes | DS : purposes;
    }

    /// @dev Whether `purposes` carries every modifier of `conditions`, NPUNCU being NPU and NCU.
    function _meets(uint32 purposes, uint32 conditions) private pure returns (bool) {
        uint32 missing = conditions & MODIFIERS & ~purposes;
        return missing == 0 || _split(conditions) & MODIFIERS & ~_split(purposes) == 0;
    }

    /// @dev NPUNCU written as NPU and NCU.
    function _split(uint32 purposes) private pure returns (uint32) {
        return purposes & NPUNCU != 0 ? (purposes | NPU | NCU) & ~NPUNCU : purposes;
    }
}
