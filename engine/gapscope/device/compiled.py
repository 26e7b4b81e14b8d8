"""torch.compile, as both devices use it."""

import logging
import threading
from collections.abc import Mapping

import torch
from torch import Tensor

from gapscope.device.protocol import Network
from gapscope.pyramid.network import Pyramid


def compile_network(pyramid: Pyramid) -> Network:
    """Return the network compiled for the one shape of batch that it will see; the first batch waits for it.

    Its weights are frozen (torch's Inductor, `freezing`): they are laid out once as the machine's convolutions like
    them, and what follows a convolution is done with it.
    """
    # Importing the compiler takes a second; only who compiles should wait.
    from torch._inductor import config as inductor

    # Where nvcc is installed and no GPU is, it says so whenever it compiles, for any device.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    network: Network = torch.compile(pyramid, dynamic=False)
    first, traced = threading.Lock(), threading.Event()

    def run(batch: Tensor) -> Mapping[str, Tensor]:
        if not traced.is_set():
            # An option of torch.compile would come too late: parameters become constants while the network is traced,
            # which happens now, and by the setting of the whole process alone.
            with first, inductor.patch(freezing=True):
                found = network(batch)
            traced.set()
            return found
        return network(batch)

    return run
