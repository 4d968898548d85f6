"""Makes basicsr, and so gfpgan, importable with a current torchvision.

basicsr 1.4.2 imports `rgb_to_grayscale` from `torchvision.transforms.functional_tensor`, a module
that torchvision removed in 0.17; the function is still in `torchvision.transforms.functional`
(BasicSR pull request 624, unmerged). Call `bridge` before basicsr is first imported. The package
itself does not import basicsr; the benches, and the tests that compare with it, do.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

_GONE = "torchvision.transforms.functional_tensor"


def bridge() -> None:
    """Add the missing module if torchvision does not have it. Imports torchvision."""
    if _GONE in sys.modules or find_spec(_GONE) is not None:
        return
    from torchvision.transforms import functional

    module = ModuleType(_GONE, "Stands in for the module torchvision removed in 0.17.")
    module.rgb_to_grayscale = functional.rgb_to_grayscale  # type: ignore[attr-defined]
    sys.modules[_GONE] = module
