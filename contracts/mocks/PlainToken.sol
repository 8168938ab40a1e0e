// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @dev An ordinary token without permit.
contract PlainToken is ERC20("Plain", "PLN") {
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }
}
