"""Run by test_deploy with an unpacked wheel: deploys and verifies on the embedded chain."""

from __future__ import annotations

import sys
from pathlib import Path

from medfed.chain.artifacts import resource_folder
from medfed.chain.client import connect
from medfed.chain.deployer import Deployer, Order
from medfed.chain.deployment import load
from medfed.chain.keys import new_account
from medfed.chain.params import parameters_for
from medfed.chain.sender import Sender
from medfed.chain.verification import verify

chain, account, state = connect("embedded:"), new_account(), Path(sys.argv[1])
chain.set_balance(account.address, 10**20)
Deployer(Order(parameters_for(chain), state), Sender(chain, account, state)).run()
wrong = [check for check in verify(load(chain, state), parameters_for(chain)) if not check.ok]
print(resource_folder("abi"), len(wrong))
