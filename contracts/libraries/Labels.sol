// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Labels
/// @notice Names that people read in a wallet before they sign: of hospitals and of datasets, in UTF-8.
library Labels {
    /// @dev Longest label, in bytes.
    uint256 internal constant LONGEST = 64;

    /// @notice A label has 1 to 64 bytes: no control characters, no quotation marks, neither a space first nor last, nor any of the
    /// general punctuation (U+2000 to U+207F) with which text is turned around or hidden.
    error LabelRefused(string label);

    /// @notice Reverts unless `label` can stand between words without being taken for them.
    function requireLabel(string calldata label) internal pure {
        bytes calldata text = bytes(label);
        uint256 length = text.length;
        require(length != 0 && length <= LONGEST, LabelRefused(label));
        require(text[0] != " " && text[length - 1] != " ", LabelRefused(label));
        for (uint256 i = 0; i < length; ++i) {
            bytes1 char = text[i];
            bool hides = char == 0xE2 && i + 1 < length && (text[i + 1] == 0x80 || text[i + 1] == 0x81);
            require(char >= 0x20 && char != 0x7F && char != '"' && !hides, LabelRefused(label));
        }
    }
}
