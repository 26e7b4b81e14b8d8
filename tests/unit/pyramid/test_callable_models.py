"""Models that a Python program makes from any callable."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from quick_compare import write_images
from torch import Tensor, nn

import gapscope
from gapscope import Model, OptionError, RunError

OPTIONS: dict[str, Any] = {"n_epochs": 11, "cluster": "inline"}


class Network(nn.Module):
    """A map and a vector."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv = nn.Conv2d(3, 12, 10, stride=10)
        self.drop = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.drop(self.conv(images).relu())
        return {"map": maps, "vector": maps.amax((2, 3))}


def test_a_module_embeds_as_it_does_by_itself(tmp_path: Path) -> None:
    network = Network()
    model = Model.from_callable("mine", network, size=100, mean=(0, 0, 0), std=(1, 1, 1))
    assert [(level.name, level.stride, level.channels) for level in model.levels] == [
        ("map", 10, 12),
        ("vector", 0, 12),
    ]
    folders = write_images(tmp_path)
    run = gapscope.compare(folders, model=model, fit="stretch", out=tmp_path / "run", **OPTIONS)
    assert run.levels == ("map", "vector")
    # The user's own module is as it was.
    assert network.training
    pixels = run.source("real").read(run.entries("real", np.array([7]))[0])
    from gapscope.decode.picture import decode

    square = decode(pixels, run.preprocess).pixels
    with torch.inference_mode():
        output = network.eval()(torch.from_numpy(square / 255).permute(2, 0, 1)[None].float())
    for level, values in (("map", output["map"].mean((2, 3))), ("vector", output["vector"])):
        np.testing.assert_allclose(run.embeddings("real", level)[7], values[0].numpy(), rtol=2e-3, atol=1e-3)


def test_other_weights_are_another_run(tmp_path: Path) -> None:
    folders = write_images(tmp_path)
    network = Network()
    gapscope.compare(folders, model=Model.from_callable("mine", network, size=64), out=tmp_path / "run", **OPTIONS)
    again = gapscope.compare(
        folders, model=Model.from_callable("mine", network, size=64), out=tmp_path / "run", **OPTIONS
    )
    assert again.levels == ("map", "vector")
    with torch.no_grad():
        network.conv.weight += 1
    with pytest.raises(RunError, match=r"holds a different run: embed\.weights_sha256"):
        gapscope.compare(folders, model=Model.from_callable("mine", network, size=64), out=tmp_path / "run", **OPTIONS)


@pytest.mark.parametrize(
    ("output", "names"),
    [
        (lambda images: images.mean((2, 3)), ["features"]),
        (lambda images: (images, images[:, :, ::4, ::4]), ["L1", "L2"]),
        (lambda images: {"fine": images, "coarse": images[:, :, ::8, ::8]}, ["fine", "coarse"]),
    ],
)
def test_levels_are_called_as_the_network_calls_them(output: Any, names: list[str]) -> None:
    assert [level.name for level in Model.from_callable("mine", output, size=64).levels] == names


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda images: images.sum(), "features is a tensor of shape ()"),
        (lambda images: images.long(), "of floats"),
        (lambda images: 3, "features is int"),
        (lambda images: {}, "it returns nothing"),
        (lambda images: images[:1].mean((2, 3)), "has 1 vectors for 2 images"),
        (lambda images: {"a b": images}, "level 'a b'"),
        (nn.Linear(3, 3), "RuntimeError"),
    ],
)
def test_what_is_no_network_is_refused_in_a_line(network: Any, message: str) -> None:
    with pytest.raises(OptionError, match=r"^model mine: ") as refused:
        Model.from_callable("mine", network, size=64)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_of_other_models_are_taken(tmp_path: Path) -> None:
    model = Model.from_callable("bundled", lambda images: images.mean((2, 3)), size=64)
    with pytest.raises(OptionError, match="choose one that gapscope does not have"):
        gapscope.compare(write_images(tmp_path), model=model, out=tmp_path / "run", **OPTIONS)
    with pytest.raises(OptionError, match="use 1 to 64 letters"):
        Model.from_callable("a model", lambda images: images.mean((2, 3)), size=64)


def test_a_model_of_a_program_has_no_other_weights(tmp_path: Path) -> None:
    model = Model.from_callable("mine", lambda images: images.mean((2, 3)), size=64)
    with pytest.raises(OptionError, match="has its own weights"):
        gapscope.compare(write_images(tmp_path), model=model, weights="w.pth", out=tmp_path / "run", **OPTIONS)
