import importlib.util
import pickle
import re
from typing import get_args

import pytest

from gapscope.device import _DEVICES, choose_device
from gapscope.device.cuda import Cuda
from gapscope.errors import OptionError
from gapscope.export import IMAGE_EXPORTS, RUN_EXPORTS
from gapscope.pyramid import find_model
from gapscope.settings import (
    OPTION_GROUPS,
    OPTIONS,
    CompareSettings,
    DeviceName,
    ExportFormat,
    LayoutSettings,
    NeighborSettings,
    PlanSettings,
    Preprocess,
    check_dataset_name,
    options_of,
)


@pytest.mark.parametrize("name", ["real", "a", "synthetic-2.0_b", "0"])
def test_names_that_can_name_a_dataset(name: str) -> None:
    assert check_dataset_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "../up", "a/b", "-x", "a b", "a-vs-b", "x" * 65, "na\u00efve", "a\n"])
def test_names_that_cannot(name: str) -> None:
    with pytest.raises(OptionError, match="dataset name"):
        check_dataset_name(name)


@pytest.mark.skipif(importlib.util.find_spec("cuml") is not None, reason="cuML is installed")
def test_maps_on_a_gpu_need_cuml_and_say_so() -> None:
    with pytest.raises(OptionError, match="cuML is not installed"):
        Cuda().check_layout_support()


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: find_model("bundled").check_size(100), "size=100: must be a multiple of 32"),
        (lambda: Preprocess(size=32), "size=32: must be between 64 and 4096"),
        (lambda: Preprocess(size=64, fit="squeeze"), "fit='squeeze': choose one of crop, stretch, pad"),  # type: ignore[arg-type]
        (lambda: CompareSettings(k=0), "k=0: "),
        (lambda: CompareSettings(fdr=1.5), "fdr=1.5: "),
        (lambda: CompareSettings(max_outliers=-1), "max_outliers=-1: "),
        (lambda: CompareSettings(fdr=float("nan")), "fdr=nan: "),
        (lambda: LayoutSettings(seed=-1), "seed=-1: "),
        (lambda: LayoutSettings(n_neighbors=1), "n_neighbors=1: "),
        (lambda: LayoutSettings(min_dist=-0.1), "min_dist=-0.1: "),
        (lambda: LayoutSettings(n_epochs=3), "n_epochs=3: "),
        (lambda: LayoutSettings(landmarks=5), "landmarks=5: "),
        (lambda: NeighborSettings(metric="manhattan"), "metric='manhattan': choose one of cosine, euclidean"),  # type: ignore[arg-type]
        (lambda: PlanSettings(gpus=0), "gpus=0: must be 1 or more"),
        (lambda: choose_device("tpu"), "device='tpu': choose one of auto, cpu, cuda"),
    ],
)
def test_options_are_checked_and_named(make: object, option: str) -> None:
    assert callable(make)
    with pytest.raises(OptionError, match=re.escape(option)):
        make()


def test_errors_keep_what_they_are_about_when_they_travel() -> None:
    error = OptionError("must be 1 or more", argument="k", value=0)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.message, copy.argument, copy.value) == ("k=0: must be 1 or more", error.message, "k", 0)


def test_every_option_has_one_help_text_and_stands_in_one_place() -> None:
    assert sum(map(len, OPTION_GROUPS.values())) == len(OPTIONS)
    for name, option in OPTIONS.items():
        assert option.help.endswith("."), name
    assert not set(OPTIONS) & set(options_of(PlanSettings))


def test_choices_are_what_the_engine_knows() -> None:
    assert get_args(ExportFormat) == (*IMAGE_EXPORTS, *RUN_EXPORTS)
    assert get_args(DeviceName) == ("auto", *_DEVICES)
