"""Vision transformers of timm, such as DINOv2, DINOv3, CLIP and SigLIP: a level per block, of patch tokens."""

import inspect
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from gapscope.pyramid.level import Level
from gapscope.pyramid.model import Trunk
from gapscope.pyramid.weights import State

_LARGE = 384
_USUAL = 224


class TransformerTrunk(Trunk):
    """A vision transformer of timm up to its last block; its levels are its blocks, `B1` to `B12` and the like.

    A level's map holds the patch tokens after a block and the transformer's final norm, as DINOv2 gives intermediate
    layers (Oquab et al. 2023).

    Args:
        name: timm's name of the model.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.network: Any = create_transformer(name)
        self._levels: tuple[str, ...] = tuple(level.name for level in block_levels(self.network))
        self._all = self._levels

    def keep_levels(self, levels: Sequence[str]) -> None:
        """Compute these levels alone: the blocks behind the last of them are left out."""
        self._levels = tuple(levels)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalized images (n, 3, height, width) to patch tokens (n, channels, h, w) by level."""
        return dict(zip(self._levels, self._intermediates(images), strict=True))

    def class_tokens(self, images: Tensor) -> dict[str, Tensor]:
        """Return the class token after each level's block: (n, channels)."""
        pairs = self._intermediates(images, return_prefix_tokens=True)
        return {level: prefix[:, 0] for level, (_, prefix) in zip(self._levels, pairs, strict=True)}

    def _intermediates(self, images: Tensor, **options: Any) -> Any:
        indices = [self._all.index(level) for level in self._levels]
        return self.network.forward_intermediates(
            images, indices=indices, norm=True, stop_early=True, output_fmt="NCHW", intermediates_only=True, **options
        )

    def describe_mean_pooling(self, size: int) -> str:
        """Say that means are those of patch tokens."""
        del size
        return "patch tokens"


def create_transformer(name: str) -> Any:
    """Return timm's model without its head, for images of any size if it allows that."""
    import timm

    try:
        # Position embeddings are resampled to the size of the image.
        return timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
    except TypeError:
        return timm.create_model(name, pretrained=False, num_classes=0)


def is_transformer(network: Any) -> bool:
    """Return whether a timm model is blocks of one stride, which give maps of tokens."""
    info = _feature_info(network)
    options = inspect.signature(network.forward_intermediates).parameters if info else {}
    return len(info) > 1 and len({feature["reduction"] for feature in info}) == 1 and "norm" in options


def block_levels(network: Any) -> tuple[Level, ...]:
    """Return a level per block, from the first to the last."""
    return tuple(
        # The final norm of some, such as SAM's, changes the number of channels.
        Level(f"B{number}", int(feature["reduction"]), int(feature.get("num_chs_norm", feature["num_chs"])))
        for number, feature in enumerate(_feature_info(network), start=1)
    )


def has_class_token(network: Any) -> bool:
    """Return whether a transformer has a class token, the first of its prefix tokens."""
    options = inspect.signature(network.forward_intermediates).parameters
    return getattr(network, "cls_token", None) is not None and "return_prefix_tokens" in options


def default_size(network: Any) -> int:
    """Return the side of images in pixels: the model's own, or about 224 where that is too large to be handy."""
    patch, own = patch_of(network), int(network.pretrained_cfg.get("input_size", (3, _USUAL, _USUAL))[-1])
    return own if own <= _LARGE or takes_one_size(network) else _USUAL // patch * patch


def patch_of(network: Any) -> int:
    """Return the side of a patch in pixels."""
    return int(_feature_info(network)[0]["reduction"])


def takes_one_size(network: Any) -> bool:
    """Return whether a model takes images of its own size alone."""
    return bool(getattr(getattr(network, "patch_embed", None), "strict_img_size", False))


def convert_state(network: nn.Module, state: State) -> State:
    """Return a checkpoint of another library, such as DINOv2's or OpenCLIP's own, by timm's names."""
    convert = getattr(inspect.getmodule(type(network)), "checkpoint_filter_fn", None)
    if convert is None or set(network.state_dict()) == set(state):
        return state
    try:
        return dict(convert(dict(state), network))
    # It expects a checkpoint of some library, and this may be of none.
    except (KeyError, AttributeError, TypeError, ValueError, RuntimeError):
        return state


def _feature_info(network: Any) -> list[dict[str, Any]]:
    info = getattr(network, "feature_info", None)
    if info is None or not hasattr(network, "forward_intermediates"):
        return []
    return list(info.info if hasattr(info, "info") else info)
