// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Labels
/// @notice Names that people read in a wallet before they sign: of hospitals and of datasets, in UTF-8.
library Labels {
    /// @dev Longest label, in bytes.
    uint256 internal constant LONGEST = 64;

    /// @dev Ranges of code points, first and last in three bytes each, ascending: controls and formats, quotation marks,
    /// spaces and marks that show nothing or turn text around, fillers, variation selectors, surrogates, private use, tags, and what
    /// is no code point.
    bytes private constant _REFUSED = hex"00000000001f" hex"000022000022" hex"00007f0000a0" hex"0000ab0000ab"
        hex"0000ad0000ad" hex"0000bb0000bb" hex"0002ba0002ba" hex"0002dd0002dd" hex"0002ee0002ee"
        hex"00034f00034f" hex"0005f40005f4" hex"000600000605" hex"00061c00061c" hex"0006dd0006dd"
        hex"00070f00070f" hex"000890000891" hex"0008e20008e2" hex"00115f001160" hex"001680001680"
        hex"0017b40017b5" hex"00180b00180f" hex"00200000207f" hex"00275b002760" hex"00276e00276f"
        hex"002800002800" hex"002e00002e7f" hex"00300000301f" hex"003164003164" hex"00d80000f8ff"
        hex"00fe0000fe0f" hex"00fe5000fe6f" hex"00feff00ff0f" hex"00ffa000ffa0" hex"00ffe300ffff"
        hex"0110bd0110bd" hex"0110cd0110cd" hex"01343001343f" hex"016fe4016fe4" hex"01bca001bca3"
        hex"01d15901d159" hex"01d17301d17a" hex"01f67601f678" hex"0e0000ffffff";

    /// @notice A label is UTF-8 of 1 to 64 bytes, neither a space first nor last, without controls, quotation marks of any kind,
    /// other spaces, and what turns text around or does not show.
    error LabelRefused(string label);

    /// @notice Reverts unless `label` can stand between words without being taken for them.
    function requireLabel(string calldata label) internal pure {
        bytes calldata text = bytes(label);
        uint256 length = text.length;
        require(length != 0 && length <= LONGEST, LabelRefused(label));
        require(text[0] != " " && text[length - 1] != " ", LabelRefused(label));
        uint256 i = 0;
        while (i < length) {
            uint256 size;
            uint256 point;
            (size, point) = _point(text, i);
            require(size != 0 && !_isRefused(point), LabelRefused(label));
            i += size;
        }
    }

    /// @dev The code point that begins at `i` and its bytes, as RFC 3629 has it; size 0 where there is none.
    function _point(bytes calldata text, uint256 i) private pure returns (uint256 size, uint256 point) {
        uint256 lead = uint8(text[i]);
        if (lead < 0x80) return (1, lead);
        size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (lead < 0xC2 || lead > 0xF4 || i + size > text.length) return (0, 0);
        point = lead & (0x7F >> size);
        for (uint256 k = 1; k < size; ++k) {
            uint256 next = uint8(text[i + k]);
            if (next >> 6 != 2) return (0, 0);
            point = point << 6 | next & 0x3F;
        }
        // Longer than it need be; surrogates are among the refused.
        if (size == 3 && point < 0x800 || size == 4 && (point < 0x10000 || point > 0x10FFFF)) return (0, 0);
    }

    function _isRefused(uint256 point) private pure returns (bool) {
        bytes memory ranges = _REFUSED;
        for (uint256 k = 0; k < ranges.length; k += 6) {
            if (point < _number(ranges, k)) return false;
            if (point <= _number(ranges, k + 3)) return true;
        }
        return false;
    }

    /// @dev Of three bytes.
    function _number(bytes memory data, uint256 at) private pure returns (uint256) {
        return uint256(uint8(data[at])) << 16 | uint256(uint8(data[at + 1])) << 8 | uint8(data[at + 2]);
    }
}
