"""Weights files: found, downloaded, checked, and read without ever running code that they carry."""

import hashlib
import os
import pickle
import re
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from gapscope.errors import WeightsError, one_line

State = dict[str, torch.Tensor]

_WRAPPERS = ("module.", "model.", "_orig_mod.")
"""Of DistributedDataParallel, Lightning and torch.compile."""


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hex.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror})", argument="weights", value=path) from error


def download(url: str) -> Path:
    """Return the file that torch's cache keeps of `url`, downloading it on first use.

    The name holds the start of the file's SHA-256, as torchvision's do; it is checked on download and in the cache.

    Raises:
        WeightsError: the file is neither cached nor to be had, or the cached one is damaged.
    """
    path = _cached(url)
    name = path.name
    start = match[1] if (match := re.search(r"-([0-9a-f]{8,})\.", name)) else ""
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(
                url, os.fspath(path), hash_prefix=start or None, progress=sys.stderr.isatty()
            )
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"the weights {name} are not in {path.parent} and cannot be downloaded ({one_line(error)}): copy the "
                "file there from a machine with a network, give a file as `weights`, or use `model='bundled'`"
            ) from error
    if not sha256_of(path).startswith(start):
        raise WeightsError(f"{path} is damaged: its SHA-256 does not start with {start}; remove it and try again")
    return path


def _cached(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]


def is_cached(weights: Callable[[], Path]) -> bool:
    """Tell whether a model's weights can be had without a download."""
    if isinstance(weights, partial) and weights.func is download:
        return _cached(*weights.args).exists()
    try:
        return weights().exists()
    except WeightsError:
        return False


def read_state(path: Path) -> State:
    """Read the tensors of a `.safetensors` or torch file by name, in the file's order.

    A torch file may hold the state dict itself or keep it under `model`, `state_dict` or `model_state_dict`.

    Raises:
        WeightsError: the file is missing, damaged, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return unwrapped(safetensors.torch.load_file(path))
        _check_not_packed(path)
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            "not a file of tensors alone, and files that carry code are not opened; save a state dict, or use "
            "safetensors",
            argument="weights",
            value=path,
        ) from error
    # Neither reader names what it may raise on a file that is damaged or of another kind.
    except Exception as error:
        raise WeightsError(f"cannot be read as weights ({one_line(error)})", argument="weights", value=path) from error
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(_is_plain(value) for value in content.values()):
        raise WeightsError(
            "holds no state dict (names with dense tensors of real numbers)", argument="weights", value=path
        )
    return unwrapped({str(name): value for name, value in content.items()})


def _check_not_packed(path: Path) -> None:
    """Refuse a zip file that unpacks to more than it is: torch.save packs nothing, and hostile files pack gigabytes."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as file:
        if sum(member.file_size for member in file.infolist()) > path.stat().st_size:
            raise ValueError("it is compressed, which torch.save does not do")


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and not value.is_nested
        and value.layout is torch.strided
        and not (value.is_meta or value.is_quantized or value.is_complex())
    )


def unwrapped(state: State) -> State:
    """Take off the prefixes that training tools put before every name, such as `module.`."""
    while wrapper := next((name for name in _WRAPPERS if state and all(key.startswith(name) for key in state)), None):
        state = {name.removeprefix(wrapper): value for name, value in state.items()}
    return state


def fit_state(network: nn.Module, state: State, path: Path, counters: str = "num_batches_tracked") -> None:
    """Load `state` into `network`: every tensor must be there with its shape, and none may be left over.

    Args:
        network: the network to fill, in place.
        state: tensors by the network's own names.
        path: where the tensors came from, for the message.
        counters: ending of names that files may lack or have too much; they only count training steps.

    Raises:
        WeightsError: names the first tensors that do not fit.
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state and not name.endswith(counters)]
    unknown = [name for name in state if name not in wanted and not name.endswith(counters)]
    misshapen = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    for names, what in ((missing, "lacks"), (unknown, "has no place for"), (misshapen, "has another shape of")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            whose = "the model" if names is unknown else "the file"
            raise WeightsError(
                f"does not fit: {whose} {what} {', '.join(names[:3])}{more}", argument="weights", value=path
            )
    network.load_state_dict({name: state[name] for name in wanted if name in state}, strict=False)
