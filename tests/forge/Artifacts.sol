// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// What tests deploy by name and nothing else brings in.
import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
