"""A larger network begins as a smaller one, so that nothing learned is lost when it grows.

Chen et al., "Net2Net" (ICLR 2016), in its simplest form: new channels read the old ones, but the
weights by which old channels read new ones start at zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from videnhance.restorers.correction_network import Correction


def grown(network: Correction, state: Mapping[str, Tensor]) -> None:
    """Load the weights of a network with as many channels and blocks, or fewer: `network` then
    gives the same result as that one."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            # the values of a state are the network's own
            if name in state:
                _widen(value, state[name].float())
            elif ".second." in name:  # a new block: the identity
                value.zero_()


def _widen(value: Tensor, old: Tensor) -> None:
    """Copy `old` into the first places of `value`; the outputs of `old` depend on nothing else."""
    value[: len(old)] = 0.0
    value[tuple(slice(n) for n in old.shape)] = old
