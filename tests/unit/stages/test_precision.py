"""What a run computes with is chosen once, kept, and written down."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.ops.misc import Conv2dNormActivation

import gapscope
from gapscope.device.cpu import Cpu
from gapscope.errors import OptionError
from gapscope.pyramid import MODELS, Level, Model, Trunk, load_pyramid
from gapscope.pyramid.weights import sha256_of
from gapscope.settings import SPEEDUPS, EmbedSettings, Preprocess
from gapscope.stages.precision import COMPILE_FROM_IMAGES, resolve_run_precision
from gapscope.store.run_record import RunRecord


@dataclass(frozen=True)
class With(Cpu):
    bfloat16: bool = True

    def has_bfloat16(self) -> bool:
        return self.bfloat16


def settings(**changed: object) -> EmbedSettings:
    weights = MODELS["bundled"].weights()
    return EmbedSettings(
        model="bundled",
        weights=str(weights),
        weights_sha256=sha256_of(weights),
        levels=("P3", "P5"),
        preprocess=Preprocess(size=64),
        **changed,  # type: ignore[arg-type]
    )


def record(images: int = 100) -> RunRecord:
    return RunRecord.of_embeddings({"a": images}, {"P3": 40, "P5": 320}, block_rows=32)


def test_what_was_chosen_stays_on_another_machine() -> None:
    pyramid, begun = load_pyramid(settings()), record()
    first = resolve_run_precision(begun, settings(), pyramid, With(bfloat16=True))
    assert first.precision == "bfloat16"
    assert first.speedups == ("pooled-fpn", "fold", "channels-last")
    model = begun.model
    assert (model.precision, model.speedups, model.pooling) == ("bfloat16", first.speedups, "mean: whole maps")
    assert resolve_run_precision(begun, settings(), pyramid, With(bfloat16=False)) == first
    assert resolve_run_precision(record(), settings(), pyramid, With(bfloat16=False)).precision == "float32"


def test_many_images_are_compiled_for_where_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    pyramid = load_pyramid(settings())

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr("gapscope.stages.precision.torch.compile", lambda function, **_: function)
    assert "compile" in resolve_run_precision(record(COMPILE_FROM_IMAGES), settings(), pyramid, Cpu()).speedups
    assert "compile" not in resolve_run_precision(record(COMPILE_FROM_IMAGES - 1), settings(), pyramid, Cpu()).speedups
    monkeypatch.setattr("gapscope.stages.precision.torch.compile", fails)
    assert "compile" not in resolve_run_precision(record(COMPILE_FROM_IMAGES), settings(), pyramid, Cpu()).speedups
    with pytest.raises(OptionError, match=r"speedups='compile': .*no C\+\+ compiler"):
        resolve_run_precision(record(), settings(speedups=("compile",)), pyramid, Cpu())


@pytest.mark.parametrize("wrong", [{"speedups": ("magic",)}, {"pool": "sum"}, {"precision": "int8"}])
def test_unknown_choices_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match="choose one of"):
        settings(**wrong)


class TinyTrunk(Trunk):
    """A user's own network."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = Conv2dNormActivation(3, 8, stride=4)
        self.coarse = Conv2dNormActivation(8, 16, stride=2)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        fine = self.fine(images)
        return {"P2": fine, "P3": self.coarse(fine)}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbedSettings:
    torch.manual_seed(0)
    path = tmp_path / "own.pth"
    torch.save(TinyTrunk().state_dict(), path)
    model = Model(
        levels=(Level("P2", 4, 8), Level("P3", 8, 16)),
        size=64,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        build=TinyTrunk,
        weights=lambda: path,
        cached_weights=lambda: path,
        remap_state_dict=lambda trunk, state: state,
        about="tiny",
    )
    monkeypatch.setitem(gapscope.MODELS, "own", model)
    return EmbedSettings(
        model="own",
        weights=str(path),
        weights_sha256=sha256_of(path),
        levels=("P2", "P3"),
        preprocess=Preprocess(size=64),
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++, which is not here")
def test_speedups_of_a_users_own_model_change_the_last_bits_alone(own: EmbedSettings) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)

    def embedded(speedups: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
        settings = replace(own, precision="float32", speedups=speedups)
        return Cpu().embed(Cpu().prepare_network(load_pyramid(settings), speedups), pixels, "float32")()

    plain = embedded(())
    for speedups in (SPEEDUPS[:-1], SPEEDUPS):
        for level, values in embedded(speedups).items():
            assert np.abs(values - plain[level]).max() <= 1e-5 * np.abs(plain[level]).max()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++, which is not here")
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
def test_compiling_lays_weights_out_once_and_does_what_follows_a_convolution_with_it(own: EmbedSettings) -> None:
    pixels = np.zeros((2, 64, 64, 3), np.uint8)
    torch._dynamo.utils.counters.clear()
    # What the cache has is not counted.
    with torch._inductor.config.patch(fx_graph_cache=False), torch._functorch.config.patch(enable_autograd_cache=False):
        Cpu().embed(
            Cpu().prepare_network(load_pyramid(replace(own, precision="float32")), SPEEDUPS), pixels, "float32"
        )()
    counts = torch._dynamo.utils.counters["inductor"]
    assert counts["mkldnn_conv_weight_pack_matcher_count"] > 0
    assert counts["mkldnn_unary_fusion_matcher_count"] > 0


def write_flat(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 40), (number * 40 % 256, 0, 0)).save(folder / f"{number}.png")
    return folder


def test_a_run_of_another_pool_has_longer_embeddings_and_says_so(tmp_path: Path) -> None:
    folders = {name: write_flat(tmp_path / name, 4) for name in "ab"}
    run = gapscope.compare(
        folders, out=tmp_path / "run", model="bundled", levels=["P3"], size=64, cluster="inline", pool="grid"
    )
    assert run.embeddings("a", "P3").shape == (4, 160)
    assert run.record.model.pooling == "grid: whole maps"
    with pytest.raises(gapscope.RunError, match=r"embed\.pool was grid, now mean"):
        gapscope.compare(folders, out=tmp_path / "run", model="bundled", levels=["P3"], size=64, cluster="inline")


@pytest.mark.slow
def test_threads_change_no_more_than_the_last_bits_of_a_detectors_embeddings() -> None:
    """On some processors not even those: how a product is cut into pieces for threads is the library's choice."""
    torch.manual_seed(3)
    trunk = MODELS["fasterrcnn_resnet50_fpn"].build().eval()
    images = torch.randn(4, 3, 64, 64).to(memory_format=torch.channels_last)
    trunk = trunk.to(memory_format=torch.channels_last)
    found, threads = [], torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                found.append(trunk.pooled_means(images))
    finally:
        torch.set_num_threads(threads)
    for level, values in found[0].items():
        torch.testing.assert_close(values, found[1][level], rtol=0, atol=3e-6 * float(values.abs().max()))
