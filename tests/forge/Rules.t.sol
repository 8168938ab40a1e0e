// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAggregationRule} from "../../contracts/interfaces/IAggregationRule.sol";
import {Lanes} from "../../contracts/libraries/Lanes.sol";
import {MedianRule} from "../../contracts/rules/MedianRule.sol";
import {SumRule} from "../../contracts/rules/SumRule.sol";
import {TrimmedMeanRule} from "../../contracts/rules/TrimmedMeanRule.sol";
import {Rig, bound, vm} from "./Rig.sol";

uint256 constant WORDS = 128;
/// @dev Above the chunks of a vector of 10 million words.
uint256 constant LEVELS = 17;

/// @dev What a challenge has to do at least: prove each chunk and ask the rule.
contract Opener {
    function open(
        IAggregationRule rule,
        uint256 index,
        bytes32[] calldata roots,
        bytes[] calldata chunks,
        bytes[] calldata proofs,
        bytes calldata aggregate
    ) external view returns (bool) {
        uint256 last = chunks.length;
        for (uint256 i = 0; i < last; ++i) {
            require(climb(sha256(chunks[i]), index, proofs[i]) == roots[i], "update");
        }
        require(climb(sha256(aggregate), index, proofs[last]) == roots[last], "aggregate");
        return rule.checkChunk(chunks, aggregate);
    }

    function climb(bytes32 node, uint256 index, bytes calldata proof) public pure returns (bytes32) {
        for (uint256 level = 0; level < LEVELS; ++level) {
            bytes32 sibling = bytes32(proof[32 * level:]);
            bool right = (index >> level) & 1 == 1;
            node = right ? sha256(bytes.concat(sibling, node)) : sha256(bytes.concat(node, sibling));
        }
        return node;
    }
}

/// @dev The rules against the vectors of their Python twins, against the definitions word by word, and their gas.
contract RulesTest is Rig {
    SumRule private immutable SUM = new SumRule();
    MedianRule private immutable MEDIAN = new MedianRule();
    TrimmedMeanRule private immutable TRIMMED = new TrimmedMeanRule(2);
    Opener private immutable OPENER = new Opener();

    // Vectors

    function test_vectors() external {
        string memory json = vm.readFile("tests/vectors/rules.json");
        uint256[] memory trims = vm.parseJsonUintArray(json, ".trims");
        uint256 count;
        for (; vm.keyExistsJson(json, _at(count, "sum")); ++count) {
            bytes[] memory chunks = vm.parseJsonBytesArray(json, _at(count, "chunks"));
            bytes[] memory trimmed = vm.parseJsonBytesArray(json, _at(count, "trimmed"));
            vm.assertTrue(SUM.checkChunk(chunks, vm.parseJsonBytes(json, _at(count, "sum"))), "sum");
            vm.assertTrue(MEDIAN.checkChunk(chunks, vm.parseJsonBytes(json, _at(count, "median"))), "median");
            for (uint256 i = 0; i < trims.length; ++i) {
                TrimmedMeanRule rule = new TrimmedMeanRule(trims[i]);
                vm.assertTrue(rule.checkChunk(chunks, trimmed[i]), "trimmed mean");
            }
        }
        vm.assertGe(count, 7, "too few vectors");
    }

    // Definitions

    function testFuzz_sum(uint256 seed, uint256 count, uint256 place, uint32 other) external view {
        bytes[] memory chunks = _chunks(seed, bound(count, 1, 9));
        int256[] memory sums = new int256[](WORDS);
        for (uint256 w = 0; w < WORDS; ++w) {
            int256[] memory words = _sorted(chunks, w);
            for (uint256 i = 0; i < words.length; ++i) {
                sums[w] += words[i];
            }
        }
        _requireOnly(SUM, chunks, sums, place, other);
    }

    function testFuzz_median(uint256 seed, uint256 count, uint256 place, uint32 other) external view {
        bytes[] memory chunks = _chunks(seed, bound(count, 1, 9));
        int256[] memory medians = new int256[](WORDS);
        for (uint256 w = 0; w < WORDS; ++w) {
            int256[] memory words = _sorted(chunks, w);
            // An arithmetic shift rounds down; a division would round towards zero.
            medians[w] = (words[(words.length - 1) / 2] + words[words.length / 2]) >> 1;
        }
        _requireOnly(MEDIAN, chunks, medians, place, other);
    }

    function testFuzz_trimmedMean(uint256 seed, uint256 count, uint256 place, uint32 other) external view {
        bytes[] memory chunks = _chunks(seed, bound(count, 1, 9));
        int256[] memory sums = new int256[](WORDS);
        for (uint256 w = 0; w < WORDS; ++w) {
            int256[] memory words = _sorted(chunks, w);
            uint256 most = (words.length - 1) / 2;
            uint256 trim = most < 2 ? most : 2;
            for (uint256 i = trim; i < words.length - trim; ++i) {
                sums[w] += words[i];
            }
        }
        _requireOnly(TRIMMED, chunks, sums, place, other);
    }

    /// @dev Each lane is what its word would be alone.
    function testFuzz_lanes(uint256 a, uint256 b) external pure {
        (uint256 low, uint256 high) = Lanes.inOrder(a, b);
        for (uint256 shift = 0; shift < 256; shift += 32) {
            (int256 x, int256 y) = (_lane(a, shift), _lane(b, shift));
            vm.assertTrue(_lane(low, shift) == (x < y ? x : y), "low");
            vm.assertTrue(_lane(high, shift) == (x < y ? y : x), "high");
            vm.assertTrue(_lane(Lanes.mean(a, b), shift) == (x + y) >> 1, "mean");
            vm.assertTrue(_lane(Lanes.add(a, b), shift) == int32(x + y), "sum");
        }
    }

    // Gas

    /// @dev What a dispute does beside proofs and rule: reads, hashes, an event, for each chunk that it opens.
    uint256 private constant REST = 5_000;

    /// @dev A challenge stays under the limits that the protocol promises for the whole transaction.
    function test_gasOfAnOpening() external {
        _requireGas(SUM, 4, 256_000);
        _requireGas(SUM, 16, 810_000);
        _requireGas(SUM, 64, 3_000_000);
        _requireGas(MEDIAN, 16, 1_215_000);
        _requireGas(TRIMMED, 16, 1_215_000);
        _requireGas(MEDIAN, 64, 1 << 24);
        _requireGas(TRIMMED, 64, 1 << 24);
    }

    function _requireGas(IAggregationRule rule, uint256 count, uint256 limit) private {
        bytes memory data = _opening(rule, count);
        uint256 before = gasleft();
        (bool ok,) = address(OPENER).call(data);
        uint256 used = before - gasleft() + REST * (count + 1);
        vm.assertTrue(ok, "not opened");
        uint256 tokens;
        for (uint256 i = 0; i < data.length; ++i) {
            tokens += data[i] == 0 ? 1 : 4;
        }
        // EIP-7623: the dearer of calldata with execution and calldata alone.
        vm.assertLe(21_000 + 4 * tokens + used, limit, "an opening executes too much");
        vm.assertLe(21_000 + 10 * tokens, limit, "an opening carries too much");
        vm.assertLe(data.length, 128_000, "an opening is too long");
    }

    /// @dev Random chunks and proofs, whose roots follow from them.
    function _opening(IAggregationRule rule, uint256 count) private view returns (bytes memory) {
        bytes[] memory chunks = _chunks(count, count + 1);
        bytes[] memory proofs = new bytes[](count + 1);
        bytes32[] memory roots = new bytes32[](count + 1);
        uint256 index = 54_321;
        for (uint256 i = 0; i <= count; ++i) {
            for (uint256 level = 0; level < LEVELS; ++level) {
                proofs[i] = bytes.concat(proofs[i], keccak256(abi.encode(i, level)));
            }
            roots[i] = OPENER.climb(sha256(chunks[i]), index, proofs[i]);
        }
        bytes memory last = chunks[count];
        bytes[] memory updates = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            updates[i] = chunks[i];
        }
        return abi.encodeCall(Opener.open, (rule, index, roots, updates, proofs, last));
    }

    // Words

    /// @dev Ties and extremes in every other word.
    function _chunks(uint256 seed, uint256 count) private pure returns (bytes[] memory chunks) {
        chunks = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes memory chunk;
            for (uint256 k = 0; k < 16; ++k) {
                uint256 drawn = uint256(keccak256(abi.encode(seed, i, k)));
                if (seed % 2 == 1) drawn = _extreme(drawn);
                chunk = bytes.concat(chunk, bytes32(drawn));
            }
            chunks[i] = chunk;
        }
    }

    function _extreme(uint256 drawn) private pure returns (uint256 words) {
        uint32[4] memory edges = [uint32(0), type(uint32).max, 1 << 31, (1 << 31) - 1];
        for (uint256 shift = 0; shift < 256; shift += 32) {
            words |= uint256(edges[(drawn >> shift) % 4]) << shift;
        }
    }

    function _sorted(bytes[] memory chunks, uint256 place) private pure returns (int256[] memory words) {
        words = new int256[](chunks.length);
        for (uint256 i = 0; i < words.length; ++i) {
            int256 word = _word(chunks[i], place);
            uint256 j = i;
            for (; j > 0 && words[j - 1] > word; --j) {
                words[j] = words[j - 1];
            }
            words[j] = word;
        }
    }

    function _word(bytes memory chunk, uint256 place) private pure returns (int256) {
        uint32 word;
        for (uint256 i = 0; i < 4; ++i) {
            word = (word << 8) | uint8(chunk[4 * place + i]);
        }
        return int32(word);
    }

    function _lane(uint256 lanes, uint256 shift) private pure returns (int256) {
        return int32(uint32(lanes >> shift));
    }

    /// @dev These words are right, and others are not.
    function _requireOnly(
        IAggregationRule rule,
        bytes[] memory chunks,
        int256[] memory words,
        uint256 place,
        uint32 other
    ) private view {
        bytes memory right;
        for (uint256 w = 0; w < WORDS; ++w) {
            right = bytes.concat(right, bytes4(uint32(uint256(words[w]))));
        }
        vm.assertTrue(rule.checkChunk(chunks, right), "right");
        place = place % WORDS;
        bytes4 wrong = bytes4(other);
        if (wrong == bytes4(uint32(uint256(words[place])))) return;
        for (uint256 i = 0; i < 4; ++i) {
            right[4 * place + i] = wrong[i];
        }
        vm.assertFalse(rule.checkChunk(chunks, right), "wrong");
    }

    function _at(uint256 index, string memory name) private pure returns (string memory) {
        return string.concat(".cases[", vm.toString(index), "].", name);
    }
}
