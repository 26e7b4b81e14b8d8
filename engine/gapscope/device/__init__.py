"""What numbers are crunched on: chosen once, here, and passed on as a value."""

import torch

from gapscope.device.cpu import Cpu
from gapscope.device.cuda import Cuda
from gapscope.device.protocol import Device
from gapscope.errors import OptionError

__all__ = ["Device", "choose_device"]

_DEVICES: dict[str, type[Cpu] | type[Cuda]] = {"cpu": Cpu, "cuda": Cuda}


def choose_device(name: str = "auto") -> Device:
    """Return the device called `name`; `auto` is the GPU where there is one that torch sees, else the CPU.

    Raises:
        OptionError: there is no such device, or it cannot be used here. What needs cuML asks for it by
            `check_layout_support`,
            which is an error under `auto` too: hours on the CPU beside an idle GPU would help nobody.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in _DEVICES:
        raise OptionError(f"choose one of auto, {', '.join(_DEVICES)}", argument="device", value=name)
    device = _DEVICES[name]()
    device.check()
    return device
