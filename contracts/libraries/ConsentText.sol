// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {Details, NO_LAST_YEAR} from "../types/Details.sol";
import {Purposes} from "./Purposes.sol";

/// @title ConsentText
/// @notice A consent's terms in the words that a wallet shows when a patient signs. The Python twin is
/// `medfed.protocol.wording`; tests hold both together.
/// @dev Different terms have different texts, so that a signature over the text is one over the terms.
library ConsentText {
    /// @dev Of the codes in the order of their bits, each ended by a full stop; nothing where a bit has no code.
    bytes private constant _PHRASES = "any research." "health, medical or biomedical research."
        "research into the dataset's disease." "research into population origins or ancestry."
        "clinical care." "anything, without restriction." "development of methods." "."
        "no research into population origins or ancestry." ".." "no development of methods."
        "genetic studies alone." "an ethics approval." "publication of the results."
        "collaboration with the primary investigators." "return of derived data."
        "use by not-for-profit organisations alone." "no commercial use." "nobody is re-identified."
        "no generative models." "..." "a certain type of research." "a geographical region."
        "no publication before a date." "a limited time." "approved users." "an approved project."
        "an approved institution.";

    /// @notice What the data may be used for, e.g. "health, medical or biomedical research; only if the sponsor promises: an
    /// ethics approval". Bits without a code have no words.
    function uses(uint32 purposes) internal pure returns (string memory text) {
        bytes memory said = _PHRASES;
        uint256 start = 0;
        uint256 told = 0;
        purposes &= Purposes.DEFINED;
        for (uint256 bit = 0; purposes >> bit != 0; ++bit) {
            uint256 end = start;
            while (said[end] != ".") ++end;
            if (purposes >> bit & 1 != 0) {
                text = string.concat(text, _lead(bit, told), _slice(said, start, end));
                told |= 1 << bit;
            }
            start = end + 1;
        }
    }

    /// @notice The window of years, e.g. "from 2015 to 2020".
    function window(Details details) internal pure returns (string memory) {
        uint16 first = details.firstYear();
        uint16 last = details.lastYear();
        if (first == 0 && last == NO_LAST_YEAR) return "of all years";
        if (last == NO_LAST_YEAR) return string.concat("from ", Strings.toString(first), " on");
        if (first == 0) return string.concat("until ", Strings.toString(last));
        return string.concat("from ", Strings.toString(first), " to ", Strings.toString(last));
    }

    /// @notice The day with which a consent ends, e.g. "2027-03-01 begins (UTC)"; "no end" for day 65535.
    function until(uint16 expiryDay) internal pure returns (string memory) {
        return expiryDay == type(uint16).max
            ? "no end"
            : string(abi.encodePacked(_date(expiryDay), " begins (UTC)"));
    }

    // slither-disable-start divide-before-multiply (whole eras, years and months are what is left out)
    /// @dev The era of 400 years counted from March, as in H. Hinnant, "chrono-compatible low-level date algorithms"; from 1970
    /// to 2149 neither the era nor the year's number of digits changes.
    function _date(uint16 day) private pure returns (bytes10) {
        unchecked {
            uint256 ofEra = uint256(day) + 719_468 - 4 * 146_097; // days since 1 March 1600
            uint256 era = ofEra / 146_097; // of 2000 it is the second
            ofEra -= era * 146_097;
            uint256 yearOfEra = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365;
            uint256 ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
            uint256 fromMarch = (5 * ofYear + 2) / 153;
            uint256 ofMonth = ofYear - (153 * fromMarch + 2) / 5 + 1;
            uint256 month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
            uint256 year = 1_600 + era * 400 + yearOfEra + (month < 3 ? 1 : 0);

            uint256 digits = _pair(year / 100) << 64 | _pair(year % 100) << 48 | uint256(uint8(bytes1("-")))
                << 40 | _pair(month) << 24 | uint256(uint8(bytes1("-"))) << 16 | _pair(ofMonth);
            return bytes10(uint80(digits));
        }
    }

    // slither-disable-end divide-before-multiply

    /// @dev Two decimal digits.
    function _pair(uint256 number) private pure returns (uint256) {
        unchecked {
            return (number / 10 + 48) << 8 | (number % 10 + 48);
        }
    }

    /// @dev What stands before the phrase of a bit, after those of `told`.
    function _lead(uint256 bit, uint256 told) private pure returns (string memory) {
        uint256 kind = 0;
        string memory opening = "";
        if (Purposes.PROMISED >> bit & 1 != 0) {
            (kind, opening) = (Purposes.PROMISED, "only if the sponsor promises: ");
        } else if (Purposes.PARAMETERISED >> bit & 1 != 0) {
            (kind, opening) = (Purposes.PARAMETERISED, "only if the hospital confirms: ");
        }
        if (told & kind != 0) return ", ";
        return told == 0 ? opening : string.concat("; ", opening);
    }

    function _slice(bytes memory said, uint256 start, uint256 end) private pure returns (string memory) {
        bytes memory part = new bytes(end - start);
        for (uint256 i = start; i < end; ++i) {
            part[i - start] = said[i];
        }
        return string(part);
    }
}
