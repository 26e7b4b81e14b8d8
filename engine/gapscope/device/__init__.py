"""The device that a run computes on, CPU or GPU. It is chosen here, once, and passed on as a value."""

import torch

from gapscope.device.cpu import Cpu
from gapscope.device.cuda import Cuda
from gapscope.device.protocol import Device
from gapscope.errors import OptionError

__all__ = ["Device", "choose_device"]

_DEVICES: dict[str, type[Cpu] | type[Cuda]] = {"cpu": Cpu, "cuda": Cuda}


def choose_device(name: str = "auto") -> Device:
    """Return the device called `name`; `auto` is the GPU if torch sees one, else the CPU.

    Maps need cuML on a GPU, which callers check with `Device.check_layout_support`. A missing cuML is an error under
    `auto` too: hours on the CPU beside an idle GPU would help nobody.

    Raises:
        OptionError: there is no such device, or it cannot be used on this machine.

    Example:
        >>> choose_device("cpu").name
        'cpu'
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in _DEVICES:
        raise OptionError(f"choose one of auto, {', '.join(_DEVICES)}", argument="device", value=name)
    device = _DEVICES[name]()
    device.describe()
    return device
