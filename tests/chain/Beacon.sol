// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice Test contract: emits, keeps and refuses on request.
contract Beacon {
    struct Update {
        bytes32 cid;
        bytes32 updateRoot;
        uint32 weight;
    }

    event Attested(uint64 indexed study, uint16 indexed round, uint64 attesters, bytes32 aggregateHash);
    event Submitted(
        uint64 indexed study, address indexed hospital, int64 offset, uint256 large, Update update
    );
    event Said(address indexed who, string text);
    event Lit(bool on, bytes4 tag);

    error TooMuch(uint256 given, uint256 limit);

    uint256 public count;

    function attest(uint64 study, uint16 round, uint256 times) external {
        for (uint256 i = 0; i < times; ++i) {
            emit Attested(study, round, uint64(1) << uint64(i % 64), keccak256(abi.encode(i)));
        }
    }

    function submit(uint64 study, int64 offset, uint256 large, Update calldata update) external {
        emit Submitted(study, msg.sender, offset, large, update);
    }

    function say(string calldata text) external {
        emit Said(msg.sender, text);
        emit Lit(true, 0x01020304);
    }

    function add(uint256 amount) external payable {
        if (amount > 100) revert TooMuch(amount, 100);
        count += amount;
    }

    function panic() external pure {
        assert(false);
    }

    function plain() external pure {
        revert("in words");
    }
}
