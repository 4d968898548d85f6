"""A larger network that begins as a smaller one: what was learned is kept when it grows.

Chen et al., "Net2Net" (ICLR 2016), in its simplest form: what is new reads what was there, but
nothing that was there reads what is new, until the training makes it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from videnhance.restorers.correction import Correction


def grown(network: Correction, state: Mapping[str, Tensor]) -> None:
    """Load the weights of a network with the same or fewer channels and blocks: it then gives what
    that one gives."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            # the values of a state are the network's own
            if name in state:
                _widen(value, state[name].float())
            elif ".second." in name:  # a block that is new: its straight way alone
                value.zero_()


def _widen(value: Tensor, old: Tensor) -> None:
    """Copy `old` into the first places of `value`, and have its outputs depend on nothing else."""
    value[: len(old)] = 0.0
    value[tuple(slice(n) for n in old.shape)] = old
