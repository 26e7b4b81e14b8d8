"""Networks that several benchmarks embed with: settings, the bundled network, and detectors with random weights."""

from pathlib import Path

import torch

from gapscope.pyramid import MODELS, Pyramid, find_model, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Fit, Preprocess


def embed_settings(
    model: str, weights: Path, size: int, *, fit: Fit = "crop", levels: tuple[str, ...] | None = None
) -> EmbedSettings:
    """Return settings to embed with.

    Args:
        model: name of the model.
        weights: its weights file.
        size: side of the square that the network sees, in pixels.
        fit: how an image becomes that square.
        levels: names of levels; None for all of the model.
    """
    return EmbedSettings(
        model=model,
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=find_model(model).choose_levels(levels),
        preprocess=Preprocess(size=size, fit=fit),
    )


def bundled_settings(size: int, *, fit: Fit = "crop", levels: tuple[str, ...] | None = None) -> EmbedSettings:
    """Return settings of the bundled network, with its own weights."""
    return embed_settings("bundled", MODELS["bundled"].weights(), size, fit=fit, levels=levels)


def bundled_pyramid(size: int, *, fit: Fit = "crop") -> Pyramid:
    """Return the bundled network with its own weights and all its levels."""
    return load_pyramid(bundled_settings(size, fit=fit))


def random_weights(model: str, folder: Path) -> Path:
    """Write a network's initial weights to a file in `folder`, and return the file.

    Batch norms get random statistics, since those of an untrained network change nothing.
    """
    torch.manual_seed(0)
    trunk = MODELS[model].build()
    for name, buffer in trunk.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            buffer.normal_(std=0.1)
    path = folder / f"{model}.pth"
    torch.save(trunk.state_dict(), path)
    return path
