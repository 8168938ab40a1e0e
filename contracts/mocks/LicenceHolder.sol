// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC1155Holder} from "@openzeppelin/contracts/token/ERC1155/utils/ERC1155Holder.sol";

/// @dev A contract that takes licences, or refuses them, and calls somebody first. Keeps what came of that.
contract LicenceHolder is ERC1155Holder {
    bool public refuses;
    address public target;
    bytes public data;
    bool public succeeded;
    bytes public answer;

    error Refused();

    function refuse() external {
        refuses = true;
    }

    /// @dev From now on each licence that arrives calls `target_` with `data_` first.
    function hook(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function onERC1155Received(address, address, uint256, uint256, bytes memory)
        public
        override
        returns (bytes4)
    {
        require(!refuses, Refused());
        if (target != address(0)) (succeeded, answer) = target.call(data);
        return this.onERC1155Received.selector;
    }
}
