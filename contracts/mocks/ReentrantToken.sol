// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @dev A token that calls back before it moves anything, as tokens with hooks do, and keeps what came of it. As an account it
/// may hold a balance in what it calls.
contract ReentrantToken is ERC20("Reentrant", "RNT") {
    address public target;
    bytes public data;
    uint256 public calls;
    bool public succeeded;
    bytes public answer;

    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    /// @dev From now on each transfer calls `target_` with `data_` first.
    function hook(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    /// @dev Does anything in the token's own name.
    function run(address target_, bytes calldata data_) external {
        (bool done, bytes memory returned) = target_.call(data_);
        require(done, string(returned));
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (target != address(0) && from != address(0)) {
            ++calls;
            (succeeded, answer) = target.call(data);
        }
        super._update(from, to, amount);
    }
}
