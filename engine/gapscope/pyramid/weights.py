"""Downloads, caches, checks and reads weights files, and never runs code that such a file carries."""

import hashlib
import os
import pickle
import re
import sys
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from gapscope.errors import WeightsError, one_line

State = dict[str, torch.Tensor]

_WRAPPERS = ("module.", "model.", "_orig_mod.")
"""Prefixes that DistributedDataParallel, Lightning and torch.compile put before names."""

_COUNTERS = "num_batches_tracked"
"""Ending of the names of training step counters, which a file may lack or have in excess."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a weights file as 64 hexadecimal digits.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror})", argument="weights", value=path) from error


def download(url: str) -> Path:
    """Return the file of `url` in torch's cache, and download it there on first use.

    File names of torchvision end in the first digits of the file's SHA-256, which is checked after the download and
    whenever the cached file is used. A file whose name has no such digits is not checked.

    Raises:
        WeightsError: the file is not cached and cannot be downloaded, or the cached file is damaged.
    """
    path = _cache_path(url)
    name = path.name
    hash_prefix = match[1] if (match := re.search(r"-([0-9a-f]{8,})\.", name)) else ""
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(
                url, os.fspath(path), hash_prefix=hash_prefix or None, progress=sys.stderr.isatty()
            )
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"the weights {name} are not in {path.parent} and cannot be downloaded ({one_line(error)}): copy the "
                "file there from a machine with a network, give a file as `weights`, or use `model='bundled'`"
            ) from error
    if hash_prefix and not sha256_of(path).startswith(hash_prefix):
        raise WeightsError(f"{path} is damaged: its SHA-256 does not start with {hash_prefix}; remove it and try again")
    return path


def cached_download(url: str) -> Path | None:
    """Return the file of `url` in torch's cache, or None where it was never downloaded; downloads nothing itself.

    The file is not read, so that a damaged one is returned as well.

    Example:
        >>> cached_download("https://example.org/never-downloaded.pth") is None
        True
    """
    path = _cache_path(url)
    return path if path.exists() else None


def _cache_path(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]


def read_state(path: Path) -> State:
    """Read a state dict from a `.safetensors` or torch file, in the file's order.

    A torch file may hold the state dict itself or keep it under `model`, `state_dict` or `model_state_dict`. Prefixes
    of training tools are removed (`strip_wrappers`).

    Raises:
        WeightsError: the file is missing or damaged, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return strip_wrappers(safetensors.torch.load_file(path))
        _check_not_compressed(path)
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            "not a file of tensors alone, and files that carry code are not opened; save a state dict, or use "
            "safetensors",
            argument="weights",
            value=path,
        ) from error
    # Neither reader documents what it may raise on a file that is damaged or of another kind.
    except Exception as error:
        raise WeightsError(f"cannot be read as weights ({one_line(error)})", argument="weights", value=path) from error
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(_is_plain(value) for value in content.values()):
        raise WeightsError(
            "holds no state dict (names with dense tensors of real numbers)", argument="weights", value=path
        )
    return strip_wrappers({str(name): value for name, value in content.items()})


def _check_not_compressed(path: Path) -> None:
    """Refuse a compressed zip file: torch.save compresses nothing, and a hostile file may expand to gigabytes."""
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


def strip_wrappers(state: State) -> State:
    """Remove the prefixes that training tools put before every name, such as `module.`.

    Example:
        >>> strip_wrappers({"module.conv.bias": torch.zeros(1), "module.fc.bias": torch.zeros(1)}).keys()
        dict_keys(['conv.bias', 'fc.bias'])
    """
    while wrapper := next((name for name in _WRAPPERS if state and all(key.startswith(name) for key in state)), None):
        state = {name.removeprefix(wrapper): value for name, value in state.items()}
    return state


def fit_state(network: nn.Module, state: State, path: Path) -> None:
    """Load `state` into `network`. Every tensor of the network must be in it with its shape, and no other one.

    Args:
        network: is filled in place.
        state: tensors by the names that `network` uses.
        path: the file that the tensors come from, for error messages.

    Raises:
        WeightsError: tensors are missing, unknown or of another shape; the message names the first of them.
    """
    expected = network.state_dict()
    missing = [name for name in expected if name not in state and not name.endswith(_COUNTERS)]
    unknown = [name for name in state if name not in expected and not name.endswith(_COUNTERS)]
    misshapen = [name for name in expected if name in state and state[name].shape != expected[name].shape]
    for names, what in ((missing, "lacks"), (unknown, "has no place for"), (misshapen, "has another shape of")):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            whose = "the model" if names is unknown else "the file"
            raise WeightsError(
                f"does not fit: {whose} {what} {', '.join(names[:3])}{more}", argument="weights", value=path
            )
    network.load_state_dict({name: state[name] for name in expected if name in state}, strict=False)
