"""A model knows whether its weights are on this machine, and never downloads them to find out."""

from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import pytest
import timm
import torch

from gapscope.pyramid import MODELS, find_model

DETECTORS = sorted(set(MODELS) - {"bundled"})
TIMM_FROM_HUB, TIMM_FROM_URL, TIMM_WITHOUT_WEIGHTS = "timm:resnet18", "timm:legacy_seresnet18", "timm:convnext_atto_rms"


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches of torch and of the hub, and downloaders that fail the test."""

    def download(*_: Any, **__: Any) -> None:
        pytest.fail("a download was tried")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)


@pytest.mark.parametrize("name", [*DETECTORS, TIMM_FROM_HUB, TIMM_FROM_URL])
def test_weights_that_are_not_cached_are_not_downloaded_to_find_out(name: str) -> None:
    model = find_model(name)
    assert model.cached_weights() is None
    # The stand-in for the downloader is the one that would be called.
    with pytest.raises(pytest.fail.Exception, match="a download was tried"):
        model.weights()


def test_a_package_carries_the_bundled_weights() -> None:
    path = MODELS["bundled"].cached_weights()
    assert path is not None
    assert path == MODELS["bundled"].weights()
    assert path.exists()


@pytest.mark.parametrize("name", DETECTORS)
def test_weights_in_torchs_cache_are_found(name: str, tmp_path: Path) -> None:
    from torchvision.models import get_model_weights

    file = tmp_path / "torch" / "checkpoints" / get_model_weights(name)["COCO_V1"].url.rsplit("/", 1)[1]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    assert MODELS[name].cached_weights() == file


def test_weights_in_the_hubs_cache_are_found(tmp_path: Path) -> None:
    config = timm.get_pretrained_cfg("resnet18")
    assert config is not None
    folder = tmp_path / "hub" / f"models--{str(config.hf_hub_id).replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abc")
    file = folder / "snapshots" / "0123abc" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    assert find_model(TIMM_FROM_HUB).cached_weights() == file


def test_no_weights_at_all_are_no_cached_weights() -> None:
    assert find_model(TIMM_WITHOUT_WEIGHTS).cached_weights() is None
