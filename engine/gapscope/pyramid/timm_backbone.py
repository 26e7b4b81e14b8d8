"""Backbones of timm: those that return maps at several strides, and transformers, whose levels are blocks."""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gapscope.errors import OptionError, WeightsError, one_line
from gapscope.pyramid.level import Level
from gapscope.pyramid.model import Model, Trunk
from gapscope.pyramid.timm_transformer import (
    TransformerTrunk,
    block_levels,
    convert_state,
    create_transformer,
    default_size,
    has_class_token,
    is_transformer,
    patch_of,
    takes_one_size,
)
from gapscope.pyramid.weights import State, cached_download, download

PREFIX = "timm:"

_STRIDES = {4: "P2", 8: "P3", 16: "P4", 32: "P5", 64: "P6"}
_SIZE = 224
_PREFIX = "backbone."
_HUB_FILE = "model.safetensors"


class BackboneTrunk(Trunk):
    """A timm classifier up to its last stage; its levels are the last map of each stride."""

    def __init__(self, name: str) -> None:
        import timm

        super().__init__()
        network: Any = timm.create_model(name, pretrained=False, num_classes=0)
        self.network = network
        self._map_indices = {level: index for index, level, _ in _maps(network)}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalized images (n, 3, height, width) to maps (n, channels, h, w) by level."""
        maps = self.network.forward_intermediates(
            images, indices=list(self._map_indices.values()), output_fmt="NCHW", intermediates_only=True
        )
        return dict(zip(self._map_indices, maps, strict=True))


def _maps(network: Any) -> list[tuple[int, str, int]]:
    """Return timm's index, the level and the channels of each map that becomes a level."""
    by_level: dict[str, tuple[int, str, int]] = {}
    info = network.feature_info
    for index, feature in enumerate(info.info if hasattr(info, "info") else info):
        if level := _STRIDES.get(feature["reduction"]):
            by_level[level] = (index, level, feature["num_chs"])
    return list(by_level.values())


# Building a network takes a moment, and a run looks its model up several times.
@lru_cache(maxsize=8)
def backbone(name: str) -> Model:
    """Return the model `timm:NAME`.

    Raises:
        OptionError: timm has no such model, or the model has no pyramid of maps.

    Example:
        >>> [(level.name, level.channels) for level in backbone("resnet18").levels]
        [('P2', 64), ('P3', 128), ('P4', 256), ('P5', 512)]
    """
    import timm

    try:
        with torch.device("meta"):
            network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    except (RuntimeError, ValueError) as error:
        raise OptionError(
            f"timm {timm.__version__} has no such model; timm.list_models() lists them",
            argument="model",
            value=PREFIX + name,
        ) from error
    if is_transformer(network):
        with torch.device("meta"):
            return _transformer(name, create_transformer(name))
    maps = _maps(network) if hasattr(network, "feature_info") and hasattr(network, "forward_intermediates") else []
    if not maps:
        raise OptionError("it gives no maps at strides 4 to 64", argument="model", value=PREFIX + name)
    levels = tuple(Level(level, 2 ** int(level[1:]), channels) for _, level, channels in maps)
    return _model(name, network, BackboneTrunk, levels=levels, size=_size(network.pretrained_cfg))


def _transformer(name: str, network: Any) -> Model:
    levels, size = block_levels(network), default_size(network)
    return _model(
        name,
        network,
        TransformerTrunk,
        levels=levels,
        default_levels=(levels[-1].name,),
        size=size,
        size_multiple=size if takes_one_size(network) else patch_of(network),
        one_size=takes_one_size(network),
        has_class_token=has_class_token(network),
    )


def _model(name: str, network: Any, trunk: Callable[[str], Trunk], **fields: Any) -> Model:
    return Model(
        mean=network.pretrained_cfg["mean"],
        std=network.pretrained_cfg["std"],
        build=partial(trunk, name),
        weights=partial(_weights, name),
        cached_weights=partial(_cached_weights, name),
        remap_state_dict=remap_state_dict,
        about=f"timm's {name}",
        **fields,
    )


def _size(config: dict[str, Any]) -> int:
    # Sides of input images must be multiples of 32.
    side: int = config.get("input_size", (3, _SIZE, _SIZE))[-1]
    return max(64, round(side / 32) * 32)


def _weights(name: str) -> Path:
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.url or config.hf_hub_id):
        raise WeightsError(
            "timm knows of no weights for it; give a file as `weights`", argument="model", value=PREFIX + name
        )
    if config.hf_hub_id:
        return _download_from_hub(name, config.hf_hub_id, config.hf_hub_filename or _HUB_FILE)
    return download(str(config.url))


def _cached_weights(name: str) -> Path | None:
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is None or not (config.url or config.hf_hub_id):
        return None
    if config.hf_hub_id:
        from huggingface_hub import try_to_load_from_cache

        # None, or an object of its own where the hub is known to have no such file.
        path = try_to_load_from_cache(config.hf_hub_id, config.hf_hub_filename or _HUB_FILE)
        return Path(path) if isinstance(path, str) else None
    return cached_download(str(config.url))


def _download_from_hub(name: str, repository: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, file))
    # The hub's client raises the errors of its HTTP library, which changes between versions.
    except Exception as error:
        raise WeightsError(
            f"its weights {repository}/{file} are not in the hub's cache and cannot be downloaded "
            f"({one_line(error)}): give a file as `weights`, or use `model='bundled'`",
            argument="model",
            value=PREFIX + name,
        ) from error


def remap_state_dict(trunk: nn.Module, state: State) -> State:
    """Give the tensors of a whole timm model the names that `trunk` uses, and leave out those of its classifier.

    A checkpoint may hold the model itself, or wrap it as `backbone`.
    """
    if state and all(name.startswith(_PREFIX) for name in state):
        state = {name.removeprefix(_PREFIX): value for name, value in state.items()}
    if isinstance(trunk, TransformerTrunk):
        state = convert_state(trunk.network, state)
    expected = trunk.state_dict()
    prefixed = {f"network.{name}": value for name, value in state.items()}
    return {
        name: value for name, value in prefixed.items() if name in expected or not _belongs_to_classifier(trunk, name)
    }


def _belongs_to_classifier(trunk: nn.Module, name: str) -> bool:
    network: Any = trunk.network
    heads = network.pretrained_cfg.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else heads
    return any(name.startswith(f"network.{head}.") for head in heads)
