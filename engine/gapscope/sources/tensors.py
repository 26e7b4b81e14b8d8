"""Brings an array of any library into this machine's memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def to_numpy(array: Any) -> NDArray[Any]:
    """Return an array of NumPy, torch, CuPy, or whatever else NumPy converts, as an array of NumPy.

    A tensor of bfloat16, which NumPy does not have, becomes float32.

    Example:
        >>> import torch
        >>> to_numpy(torch.ones(2, dtype=torch.bfloat16, requires_grad=True))
        array([1., 1.], dtype=float32)
    """
    if hasattr(array, "detach"):
        tensor = array.detach().cpu()
        return np.asarray(tensor.float().numpy() if str(tensor.dtype) == "torch.bfloat16" else tensor.numpy())
    return np.asarray(array.get() if type(array).__module__.startswith("cupy") else array)
