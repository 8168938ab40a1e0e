// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title A token that anyone may mint, for development chains
/// @dev Warning: worthless by design. The deployment refuses to place it on any other network.
contract DevelopmentToken is ERC20Permit {
    constructor() ERC20("MedFed Development Token", "MFT") ERC20Permit("MedFed Development Token") {}

    /// @notice New tokens for anyone.
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }

    /// @notice Six decimals, like the usual payment tokens.
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
