"""torch.compile, as both devices use it."""

import logging

import torch

from gapscope.device.protocol import Network
from gapscope.pyramid.network import Pyramid


def compiled(pyramid: Pyramid) -> Network:
    """Return the network compiled for the one shape of batch that it will see; the first batch waits for it.

    Frozen weights let the compiler fold and lay them out once (torch's Inductor, `freezing`).
    """
    # Where nvcc is installed and no GPU is, it says so whenever it compiles, for any device.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    network: Network = torch.compile(pyramid, dynamic=False, options={"freezing": True})
    return network
