"""The network as it is used: pixels in, one pooled vector per level out."""

from pathlib import Path

import torch
from torch import Tensor, nn

from gapscope.errors import WeightsError
from gapscope.pyramid.model import Model, Trunk
from gapscope.pyramid.models import find_model
from gapscope.pyramid.weights import fit_state, read_state, sha256_of
from gapscope.settings import EmbedSettings


class Pyramid(nn.Module):
    """A model with its normalisation in front and the mean over space behind."""

    mean: Tensor
    spread: Tensor

    def __init__(self, model: Model, levels: tuple[str, ...]) -> None:
        super().__init__()
        self.trunk: Trunk = model.build()
        self.levels = levels
        self.register_buffer("mean", torch.tensor(model.mean).view(1, 3, 1, 1) * 255.0, persistent=False)
        self.register_buffer("spread", torch.tensor(model.spread).view(1, 3, 1, 1) * 255.0, persistent=False)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Embed a batch.

        Args:
            pixels: (n, 3, height, width) uint8, sRGB.

        Returns:
            Per level (n, channels) float32: the mean of the level's map over space.
        """
        images = (pixels.float() - self.mean) / self.spread
        means = self.trunk.means(images)
        return {level: means[level].float() for level in self.levels}


def load_pyramid(settings: EmbedSettings) -> Pyramid:
    """Build the network that `settings` describe, with its weights, ready to embed.

    Raises:
        WeightsError: the weights do not fit, or are not those that the run was begun with.
    """
    path = Path(settings.weights)
    if sha256_of(path) != settings.weights_sha256:
        raise WeightsError(f"--weights {path}: the file is not the one that this run was begun with")
    model = find_model(settings.model)
    pyramid = Pyramid(model, settings.levels)
    fit_state(pyramid.trunk, model.renamed(pyramid.trunk, read_state(path)), path)
    return pyramid.eval().requires_grad_(False)
