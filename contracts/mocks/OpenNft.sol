// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @dev An ERC-721 that anyone mints: owners of datasets, without the registry's other rules.
contract OpenNft is ERC721("Open", "OPN") {
    function mint(address owner, uint256 tokenId) external {
        _mint(owner, tokenId);
    }
}
