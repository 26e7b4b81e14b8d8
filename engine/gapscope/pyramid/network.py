"""The network that embeds images: pixels in, one pooled vector per level out."""

from pathlib import Path

from torch import Tensor, nn

from gapscope.errors import WeightsError
from gapscope.pyramid.model import Model, Normalization, Trunk
from gapscope.pyramid.models import find_model
from gapscope.pyramid.pool import POOLS, pooled_length
from gapscope.pyramid.weights import fit_state, read_state, sha256_of
from gapscope.settings import EmbedSettings


class Pyramid(nn.Module):
    """A model with normalization before it and pooling over space after it."""

    def __init__(self, model: Model, settings: EmbedSettings) -> None:
        super().__init__()
        self.trunk: Trunk = model.build()
        self.trunk.keep_levels(settings.levels)
        self.levels = settings.levels
        self.pool = settings.pool
        self.short_cut = _wants_short_cut(settings)
        self.normalize = Normalization(model)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Embed a batch of images.

        Args:
            pixels: (n, 3, height, width) uint8, sRGB.

        Returns:
            (n, length) float32 by level: the level's map, pooled over space.
        """
        images = self.normalize(pixels)
        if self.pool == "cls":
            tokens = self.trunk.class_tokens(images)
            return {level: tokens[level].float() for level in self.levels}
        if self.short_cut:
            means = self.trunk.pooled_means(images)
            return {level: means[level].float() for level in self.levels}
        maps = self.trunk(images)
        return {level: POOLS[self.pool](maps[level]).float() for level in self.levels}

    def describe_pooling(self, settings: EmbedSettings) -> str:
        """Say in words how maps become embeddings under `settings`, for run.json."""
        if _wants_short_cut(settings):
            return f"mean: {self.trunk.describe_mean_pooling(settings.preprocess.size)}"
        return "cls: class tokens" if settings.pool == "cls" else f"{settings.pool}: whole maps"


def _wants_short_cut(settings: EmbedSettings) -> bool:
    return settings.pool == "mean" and not {"pooled-fpn", "auto"}.isdisjoint(settings.speedups)


def embedding_lengths(settings: EmbedSettings) -> dict[str, int]:
    """Return the length of an embedding, by level, for the levels that `settings` name."""
    channels = {level.name: level.channels for level in find_model(settings.model).levels}
    return {level: pooled_length(settings.pool, channels[level]) for level in settings.levels}


def load_pyramid(settings: EmbedSettings) -> Pyramid:
    """Build the network that `settings` describe and load its weights; it is ready to embed.

    Raises:
        WeightsError: the weights do not fit the network, or are not those that the run was begun with.
        OptionError: there is no such model.
    """
    model = find_model(settings.model)
    if model.fingerprint:
        return _load_callable(model, settings)
    path = Path(settings.weights)
    if sha256_of(path) != settings.weights_sha256:
        raise WeightsError("the file is not the one that this run was begun with", argument="weights", value=path)
    pyramid = Pyramid(model, settings)
    fit_state(pyramid.trunk, model.remap_state_dict(pyramid.trunk, read_state(path)), path)
    pyramid.eval().requires_grad_(False)
    if "fold" in settings.speedups:
        from gapscope.pyramid.fold import fold

        fold(pyramid.trunk)
        pyramid.requires_grad_(False)
    return pyramid


def _load_callable(model: Model, settings: EmbedSettings) -> Pyramid:
    if model.fingerprint != settings.weights_sha256:
        raise WeightsError(f"model {model.name} is not the one that this run was begun with: use another `out`")
    pyramid = Pyramid(model, settings)
    pyramid.eval().requires_grad_(False)
    return pyramid
