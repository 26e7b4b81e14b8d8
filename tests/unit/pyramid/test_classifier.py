"""What a network's own head says of images; it is in the weights that a run embeds with, or there is none."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import get_model_builder

from gapscope.demo.photographs import SIDE, open_photograph, resize
from gapscope.pyramid.bundled import packaged_weights
from gapscope.pyramid.classifier import CLASSES, load_classifier, name_classes
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import EmbedSettings, Preprocess


def settings(model: str, weights: Path, size: int = 224) -> EmbedSettings:
    return EmbedSettings(
        model=model,
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=("P5",),
        preprocess=Preprocess(size=size),
    )


def pixels(name: str) -> torch.Tensor:
    picture = open_photograph(name)
    side = min(picture.shape[:2])
    square = resize(picture[:side, :side], (SIDE, SIDE))
    return torch.from_numpy(np.rint(square * 255).astype(np.uint8)).permute(2, 0, 1)[None]


def test_the_bundled_network_names_a_cat_and_a_cup_and_not_gravel() -> None:
    classifier = load_classifier(settings("bundled", packaged_weights()))
    assert classifier is not None
    named = {}
    for name in ("chelsea.png", "coffee.png", "gravel.png"):
        with torch.inference_mode():
            probabilities = classifier(pixels(name))[CLASSES].numpy()
        assert probabilities.sum() == pytest.approx(1, abs=1e-4)
        named[name] = name_classes(probabilities, classifier.classes)
    cat, coffee = named["chelsea.png"], named["coffee.png"]
    assert cat is not None
    assert coffee is not None
    assert cat[0] == "cat"
    assert coffee[0] == "espresso"
    assert named["gravel.png"] is None


def test_weights_without_a_head_or_of_other_classes_name_nothing(tmp_path: Path) -> None:
    state = torch.load(packaged_weights(), weights_only=True)
    ending = [name for name in state if state[name].shape[:1] == (1000,)]
    for number, changed in enumerate(
        (
            {name: value for name, value in state.items() if name not in ending},
            {name: value[:10] if name in ending else value for name, value in state.items()},
        )
    ):
        path = tmp_path / f"{number}.pth"
        torch.save(changed, path)
        assert load_classifier(settings("bundled", path)) is None


def test_other_weights_than_the_runs_name_nothing(tmp_path: Path) -> None:
    own = settings("bundled", packaged_weights())
    path = tmp_path / "changed.pth"
    path.write_bytes(b"changed")
    other = EmbedSettings(
        model="bundled",
        weights=str(path),
        weights_sha256=hashlib.sha256(b"before").hexdigest(),
        levels=own.levels,
        preprocess=own.preprocess,
    )
    assert load_classifier(other) is None


def test_a_detector_finds_its_objects_where_the_file_holds_the_whole_of_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    detector = get_model_builder(name)(weights=None, weights_backbone=None)
    whole, backbone = tmp_path / "whole.pth", tmp_path / "backbone.pth"
    torch.save(detector.state_dict(), whole)
    torch.save(detector.backbone.state_dict(), backbone)
    finder = load_classifier(settings(name, whole, size=64))
    assert finder is not None
    assert finder.classes[1] == ["person"]
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        probabilities = finder(images)[CLASSES]
    assert probabilities.shape == (2, 91)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert load_classifier(settings(name, backbone, size=64)) is None
