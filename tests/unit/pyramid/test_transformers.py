"""Vision transformers of timm: their blocks as levels, patch and class tokens, sizes, and whole runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor

import gapscope
from gapscope import OptionError
from gapscope.pyramid import find_model, load_pyramid
from gapscope.settings import Pool
from gapscope.stages.resolve import resolve_embed_settings

STRIDE_14, STRIDE_16 = "vit_small_patch14_dinov2", "vit_tiny_patch16_224"


def save_weights(name: str, path: Path) -> Any:
    torch.manual_seed(3)
    network = timm.create_model(name, pretrained=False, num_classes=0).eval()
    safetensors.torch.save_file({key: value.clone() for key, value in network.state_dict().items()}, path)
    return network


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Any, Path]]:
    """Networks with random weights, and their files."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {name: folder / f"{name}.safetensors" for name in (STRIDE_14, STRIDE_16)}
    return {name: (save_weights(name, path), path) for name, path in paths.items()}


def embed(name: str, path: Path, pixels: Tensor, levels: list[str] | None = None, pool: Pool = "mean") -> Any:
    settings = resolve_embed_settings(
        model=f"timm:{name}",
        weights=path,
        levels=levels,
        size=pixels.shape[-1],
        fit="crop",
        precision="float32",
        pool=pool,
    )
    with torch.inference_mode():
        return load_pyramid(settings)(pixels)


def images(name: str, size: int) -> tuple[Tensor, Tensor]:
    """Return random pixels, and what the network takes for them."""
    model = find_model(f"timm:{name}")
    pixels = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (model.mean, model.std))
    return pixels, (pixels / 255 - mean) / std


@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_the_last_block_gives_what_timm_gives(pool: Pool, weights: Mapping[str, tuple[Any, Path]]) -> None:
    network, path = weights[STRIDE_16]
    pixels, normalized = images(STRIDE_16, 224)
    with torch.inference_mode():
        tokens = network.forward_features(normalized)
    expected = tokens[:, 0] if pool == "cls" else tokens[:, 1:].mean(dim=1)
    (values,) = embed(STRIDE_16, path, pixels, pool=pool).values()
    torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-5)


def test_position_embeddings_are_resampled_to_other_sizes(weights: Mapping[str, tuple[Any, Path]]) -> None:
    network, path = weights[STRIDE_14]
    pixels, normalized = images(STRIDE_14, 84)
    # The same network, made for this size by timm's own resampling.
    made: Any = timm.create_model(STRIDE_14, pretrained=False, num_classes=0, img_size=84).eval()
    from timm.models.vision_transformer import checkpoint_filter_fn

    made.load_state_dict(checkpoint_filter_fn(dict(network.state_dict()), made))
    with torch.inference_mode():
        expected = made.forward_features(normalized)[:, 1:].mean(dim=1)
    (values,) = embed(STRIDE_14, path, pixels).values()
    torch.testing.assert_close(values, expected, rtol=1e-3, atol=1e-4)


def test_named_blocks_are_levels(weights: Mapping[str, tuple[Any, Path]]) -> None:
    network, path = weights[STRIDE_16]
    pixels, normalized = images(STRIDE_16, 96)
    embeddings = embed(STRIDE_16, path, pixels, levels=["B9", "B3"])
    assert list(embeddings) == ["B3", "B9"]
    dynamic: Any = timm.create_model(STRIDE_16, pretrained=False, num_classes=0, dynamic_img_size=True).eval()
    dynamic.load_state_dict(network.state_dict())
    with torch.inference_mode():
        maps = dynamic.forward_intermediates(normalized, indices=[2, 8], norm=True, intermediates_only=True)
    for values, map_ in zip(embeddings.values(), maps, strict=True):
        torch.testing.assert_close(values, map_.mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_another_library_fits(weights: Mapping[str, tuple[Any, Path]], tmp_path: Path) -> None:
    network, path = weights[STRIDE_14]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    # As Facebook gives DINOv2: with a token that masks patches in training.
    state["mask_token"] = torch.zeros(1, state["cls_token"].shape[-1])
    safetensors.torch.save_file(state, tmp_path / "dinov2.safetensors")
    pixels, _ = images(STRIDE_14, 84)
    (expected,), (values,) = (
        embed(STRIDE_14, each, pixels).values() for each in (path, tmp_path / "dinov2.safetensors")
    )
    torch.testing.assert_close(values, expected)


@pytest.mark.parametrize(
    ("name", "size", "multiple", "class_token"),
    [
        (STRIDE_14, 224, 14, True),
        (STRIDE_16, 224, 16, True),
        ("vit_small_patch16_dinov3", 256, 16, True),
        ("vit_base_patch16_clip_224", 224, 16, True),
        ("vit_base_patch16_siglip_224", 224, 16, False),
        ("beit_base_patch16_224", 224, 224, True),
    ],
)
def test_transformers_are_known(name: str, size: int, multiple: int, class_token: bool) -> None:
    model = find_model(f"timm:{name}")
    assert (model.size, model.size_multiple, model.has_class_token) == (size, multiple, class_token)
    assert model.choose_levels(None) == ("B12",)
    assert [level.name for level in model.levels] == [f"B{number}" for number in range(1, 13)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 100}, "must be a multiple of 14, the side of its patches"),
        ({"levels": ["B13"]}, "the model has B1, B2"),
        ({"model": "bundled", "pool": "cls"}, "has no class token"),
        ({"model": "timm:vit_base_patch16_siglip_224", "pool": "cls"}, "has no class token"),
        ({"model": "timm:beit_base_patch16_224", "size": 256}, "takes images of 224 pixels alone"),
    ],
)
def test_what_a_transformer_cannot_do_is_refused(options: dict[str, Any], message: str) -> None:
    given = {"model": f"timm:{STRIDE_14}", "levels": None, "size": None} | options
    with pytest.raises(OptionError, match=message):
        resolve_embed_settings(weights=None, fit="crop", precision="float32", **given)


@pytest.mark.slow
def test_a_run_of_stride_14_has_maps_and_heat_maps(
    weights: Mapping[str, tuple[Any, Path]], two_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    real, synthetic = two_folders
    run = gapscope.compare(
        {"real": real, "synthetic": synthetic},
        out=tmp_path / "run",
        model=f"timm:{STRIDE_14}",
        weights=weights[STRIDE_14][1],
        levels=["B12", "B6"],
        size=112,
        n_epochs=11,
        cluster="inline",
    )
    assert run.levels == ("B6", "B12")
    assert [level.stride for level in run.record.model.levels] == [14, 14]
    assert run.embeddings("real", "B12").shape[1] == 384
    assert run.record.model.pooling == "mean: patch tokens"
    assert set(run.heat_maps["level"].dropna()) == {"B6", "B12"}
    assert run.report.exists()
