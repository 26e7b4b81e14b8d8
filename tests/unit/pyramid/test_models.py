import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from skimage import data
from torch import Tensor
from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

from gapscope.decode.picture import decode
from gapscope.device import choose_device
from gapscope.errors import OptionError, WeightsError
from gapscope.pyramid import MODELS, Pyramid, find_model, load_pyramid
from gapscope.pyramid.weights import download, read_state, sha256_of
from gapscope.settings import EmbedSettings, Preprocess

DETECTOR = "fasterrcnn_resnet50_fpn_v2"


def settings(model: str, weights: Path, size: int = 64) -> EmbedSettings:
    return EmbedSettings(
        model=model,
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=find_model(model).choose_levels(None),
        preprocess=Preprocess(size=size),
    )


@pytest.fixture(scope="module")
def bundled() -> Pyramid:
    return load_pyramid(settings("bundled", MODELS["bundled"].weights()))


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    """A whole detector with random weights and random batch norm statistics, and its file."""
    torch.manual_seed(0)
    network = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp("weights") / "detector.pth"
    torch.save(network.state_dict(), path)
    return network, path


def whole_network(*, features: bool) -> Any:
    network = timm.create_model("tf_efficientnet_lite0", features_only=features)
    state = torch.load(MODELS["bundled"].weights(), weights_only=True)
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    state_dict = dict(zip(names, state.values(), strict=True))
    network.load_state_dict(state_dict, strict=not features)
    return network.eval()


def batch(size: int = 64, count: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_the_packages_tensors_are_in_the_order_of_timms_network() -> None:
    # The proof: the network recognizes a cat when it sees one (ImageNet classes 281 to 285).
    image = decode((Path(data.__file__).parent / "chelsea.png").read_bytes(), Preprocess(size=224)).pixels.copy()
    with torch.inference_mode():
        scores = whole_network(features=False)(torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1)
    assert scores.argmax().item() in range(281, 286)


def test_bundled_levels_are_the_stages_of_timm_and_its_last_convolution(bundled: Pyramid) -> None:
    images = batch() / 127.5 - 1
    with torch.inference_mode():
        embeddings = bundled(batch())
        stages = whole_network(features=True)(images)[1:]
        whole = whole_network(features=False)
        last = whole.bn2(whole.conv_head(stages[-1][..., ::2, ::2]))
    for level, expected in zip(("P2", "P3", "P4", "P5", "P6"), [*stages, last], strict=True):
        torch.testing.assert_close(embeddings[level], expected.mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)


def test_importing_the_engine_imports_no_library_of_networks() -> None:
    code = "import sys, gapscope; gapscope.compare; gapscope.dask_setup(None)"
    code += "; print({'torchvision', 'timm', 'torch._dynamo'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout == "set()\n"


def test_detector_levels_are_the_means_of_torchvisions_own_pyramid(detector: tuple[Any, Path]) -> None:
    network, path = detector
    pyramid = load_pyramid(settings(DETECTOR, path))
    images = batch().float() / 255
    with torch.inference_mode():
        embeddings = pyramid(batch())
        # The detector's own normalization, and its backbone.
        normal = torch.stack([network.transform.normalize(image) for image in images])
        expected = network.backbone(normal)
    for level, name in zip(("P2", "P3", "P4", "P5", "P6"), expected, strict=True):
        means = expected[name].mean(dim=(2, 3))
        assert (embeddings[level] - means).abs().max() < 2e-5 * means.abs().max()


@pytest.mark.parametrize("model", list(MODELS))
def test_levels_know_their_stride_and_channels(model: str) -> None:
    network = MODELS[model].build().eval()
    with torch.inference_mode():
        maps = network(torch.zeros(1, 3, 128, 128))
    for level in MODELS[model].levels:
        assert maps[level.name].shape == (1, level.channels, 128 // level.stride, 128 // level.stride)


def test_a_backbone_alone_and_safetensors_fit_too(detector: tuple[Any, Path], tmp_path: Path) -> None:
    network, path = detector
    backbone = network.backbone.state_dict()
    torch.save({"model": backbone}, tmp_path / "backbone.pth")
    safetensors.torch.save_file(network.state_dict(), tmp_path / "detector.safetensors")
    with torch.inference_mode():
        expected = load_pyramid(settings(DETECTOR, path))(batch())["P4"]
        for name in ("backbone.pth", "detector.safetensors"):
            actual = load_pyramid(settings(DETECTOR, tmp_path / name))(batch())["P4"]
            assert torch.equal(actual, expected)


def test_weights_that_do_not_fit_are_refused_by_name(detector: tuple[Any, Path], tmp_path: Path) -> None:
    network, _ = detector
    state = network.state_dict()
    name = "backbone.fpn.inner_blocks.0.0.weight"
    wrong = {
        "lacks": {key: value for key, value in state.items() if key != name},
        "shape": {**state, name: torch.zeros(1)},
        "no place for": {**state, "backbone.more": torch.zeros(1)},
    }
    for words, content in wrong.items():
        torch.save(content, tmp_path / "wrong.pth")
        with pytest.raises(WeightsError, match=words) as caught:
            load_pyramid(settings(DETECTOR, tmp_path / "wrong.pth"))
        assert ("more" if words == "no place for" else name) in str(caught.value)


class _Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('code of a weights file was run')",)


def test_files_that_carry_code_are_not_opened(tmp_path: Path) -> None:
    torch.save({"weight": _Bomb()}, tmp_path / "bomb.pth")
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(_Bomb()))
    for name in ("bomb.pth", "bomb.pkl"):
        with pytest.raises(WeightsError, match=name):
            read_state(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"words", b"PK\x03\x04 no zip", b"root:x:0:0:root:/root:/bin/bash\n"])
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_files_that_are_no_weights_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name):
        read_state(tmp_path / name)
    torch.save(["a", "list"], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="state dict"):
        read_state(tmp_path / "list.pth")


def test_weights_that_changed_since_the_run_began_are_refused(detector: tuple[Any, Path], tmp_path: Path) -> None:
    original = settings(DETECTOR, detector[1])
    (tmp_path / "other.pth").write_bytes(detector[1].read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="begun with"):
        load_pyramid(EmbedSettings(**{**vars(original), "weights": str(tmp_path / "other.pth")}))


def test_a_failed_download_names_the_alternatives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    # Port 9 of this machine: nothing listens there, so the answer is the same with and without a network.
    with pytest.raises(WeightsError, match=r"w-01234567\.pth .*`weights`.*`model='bundled'`"):
        download("http://127.0.0.1:9/w-01234567.pth")


def test_a_cached_file_is_used_and_a_damaged_one_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "content").write_bytes(b"weights")
    digits = sha256_of(tmp_path / "checkpoints" / "content")[:8]
    good = (tmp_path / "checkpoints" / "content").rename(tmp_path / "checkpoints" / f"w-{digits}.pth")
    assert download(f"http://127.0.0.1:9/{good.name}") == good
    good.write_bytes(b"damage")
    with pytest.raises(WeightsError, match="damaged"):
        download(f"http://127.0.0.1:9/{good.name}")


def test_levels_are_chosen_fine_to_coarse_and_unknown_ones_refused() -> None:
    model = MODELS["bundled"]
    assert model.choose_levels(None) == ("P2", "P3", "P4", "P5", "P6")
    assert model.choose_levels(("P5", "P2", "P5")) == ("P2", "P5")
    for names in (("P7",), ()):
        with pytest.raises(OptionError, match="P2, P3, P4, P5, P6"):
            model.choose_levels(names)
    with pytest.raises(OptionError, match="bundled"):
        find_model("resnet")


def test_bfloat16_stays_close_to_float32(bundled: Pyramid) -> None:
    device = choose_device("cpu")
    pixels = np.ascontiguousarray(batch(size=96).permute(0, 2, 3, 1).numpy())
    exact, rounded = (device.embed(bundled, pixels, precision)() for precision in ("float32", "bfloat16"))
    for level, values in exact.items():
        assert rounded[level].dtype == np.float32
        assert np.abs(rounded[level] - values).max() < 0.05 * np.abs(values).max()


@pytest.mark.parametrize(
    "name",
    [
        # A Faster R-CNN and a RetinaNet stand for their relatives.
        pytest.param(
            name, marks=[] if name in ("fasterrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn") else pytest.mark.slow
        )
        for name in MODELS
        if name != "bundled"
    ],
)
def test_every_detectors_means_are_those_of_its_own_pyramid(name: str) -> None:
    torch.manual_seed(1)
    trunk = MODELS[name].build().eval()
    assert trunk.describe_mean_pooling(128) == "pooled FPN"
    images = torch.randn(2, 3, 128, 128)
    with torch.inference_mode():
        maps = trunk(images)
        means = trunk.pooled_means(images)
    assert list(means) == [level.name for level in MODELS[name].levels]
    for level, value in means.items():
        expected = maps[level].mean(dim=(2, 3))
        assert (value - expected).norm() <= 1e-5 * expected.norm()


def test_sizes_that_do_not_halve_are_computed_from_whole_maps() -> None:
    trunk = MODELS["fasterrcnn_mobilenet_v3_large_fpn"].build().eval()
    detector_trunk: Any = MODELS["fasterrcnn_resnet50_fpn"].build().eval()
    with torch.inference_mode():
        for network, size in ((trunk, 100), (detector_trunk, 100)):
            images = torch.randn(1, 3, size, size)
            maps = network(images)
            assert network.describe_mean_pooling(size).startswith("whole maps: their sizes") == (
                network is detector_trunk
            )
            for level, value in network.pooled_means(images).items():
                torch.testing.assert_close(value, maps[level].mean(dim=(2, 3)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "efficientnet_b0", "swin_tiny_patch4_window7_224"])
def test_timms_levels_are_those_of_features_only(name: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    whole: Any = timm.create_model(name, pretrained=False).eval()
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({f"module.{key}": value.clone() for key, value in whole.state_dict().items()}, path)
    model = find_model(f"timm:{name}")
    pyramid = load_pyramid(settings(f"timm:{name}", path, size=224))
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (model.mean, model.std))
    images = (batch(224, 1) / 255 - mean) / std
    reductions = [info["reduction"] for info in whole.feature_info]
    with torch.inference_mode():
        stages = whole.forward_intermediates(images, intermediates_only=True)
        embeddings = pyramid(batch(224, 1))
    for level in model.levels:
        expected = stages[reductions.index(level.stride)]
        assert expected.shape[1] == level.channels
        torch.testing.assert_close(embeddings[level.name], expected.mean(dim=(2, 3)), rtol=1e-3, atol=1e-5)


def test_timm_names_are_checked() -> None:
    with pytest.raises(OptionError, match="no such model"):
        find_model("timm:no_such_model")
