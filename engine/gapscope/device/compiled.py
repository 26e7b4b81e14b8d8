"""torch.compile with the settings that both devices use."""

import logging
import threading
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gapscope.device.protocol import Network


def compile_network(network: nn.Module) -> Network:
    """Return the network compiled for a single batch shape. It is compiled when it gets its first batch.

    Its weights are frozen (torch's Inductor, `freezing`): they are laid out once in the memory format that is fastest
    for the machine's convolutions, and operations that follow a convolution are fused with it.
    """
    # Importing the compiler takes a second, which only those who compile should wait for.
    from torch._inductor import config as inductor

    # On a machine with nvcc and without a GPU it warns at each compilation, for any device.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    compiled: Network = torch.compile(network, dynamic=False)
    tracing, traced = threading.Lock(), threading.Event()

    def run(batch: Tensor) -> Mapping[str, Tensor]:
        if not traced.is_set():
            # Parameters become constants while the network is traced, which happens here. An option of torch.compile
            # would take effect too late: only the process-wide setting counts.
            with tracing, inductor.patch(freezing=True):
                embeddings = compiled(batch)
            traced.set()
            return embeddings
        return compiled(batch)

    return run
