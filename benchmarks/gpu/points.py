"""Embeddings to compare and lay out, real ones or a mixture fitted to those, and runs that hold them."""

import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
import zarr
from gpu.pictures import SMALL, jpegs
from gpu.stage import Setting
from numpy.typing import NDArray
from speed.layout_points import normal_components, real_points

from gapscope.neighbors.embedding_view import EmbeddingView
from gapscope.neighbors.scaler import fit_scaler
from gapscope.sources import Entry
from gapscope.stages.neighbors import fit_scalers
from gapscope.store.image_stats import ImageStats, merge_image_stats, write_image_stats
from gapscope.store.index import GROUP_ROWS, write_index
from gapscope.store.pyramid import create_pyramid, mark_done, write_embeddings
from gapscope.store.run_record import RunRecord
from gapscope.store.run_store import RunStore

REAL = 10_000
_GROUPS, _DIRECTIONS, _DIMS, _TILE_ROWS = 200, 40, 256, 2**18
_IMAGE_STATS: ImageStats = {
    "format": "JPEG",
    "width": 500,
    "height": 375,
    "mean_red": 100.0,
    "mean_green": 100.0,
    "mean_blue": 100.0,
    "std_red": 100.0,
    "std_green": 100.0,
    "std_blue": 100.0,
    "sharpness": 10.0,
    "status": "ok",
    "error": "",
}


def embeddings(setting: Setting, count: int) -> tuple[NDArray[np.float16], str]:
    """Return (count, 256) embeddings, and a description of their origin.

    Real embeddings are the bundled network's of random crops of photographs. Larger numbers are drawn from 200 normal
    distributions with the means and covariances of the k-means groups of the real ones.
    """
    real = _real(setting)
    if count <= len(real):
        chosen = np.random.default_rng(0).permutation(len(real))[:count]
        return real[chosen].astype(np.float16), "real"
    shares, components = _components(setting)
    device = setting.device.name
    random = torch.Generator(device).manual_seed(0)
    means = torch.from_numpy(np.stack([mean for mean, _ in components])).to(device, torch.float32)
    factors = [torch.from_numpy(factor).to(device, torch.float32) for _, factor in components]
    result = np.empty((count, real.shape[1]), np.float16)
    for start in range(0, count, _TILE_ROWS):
        groups = np.random.default_rng(start).choice(len(components), min(_TILE_ROWS, count - start), p=shares)
        values = means[torch.from_numpy(groups).to(device)]
        for group, factor in enumerate(factors):
            rows = torch.from_numpy(np.flatnonzero(groups == group)).to(device)
            values[rows] += torch.randn(len(rows), len(factor), generator=random, device=device) @ factor
        result[start : start + len(values)] = values.half().cpu().numpy()
    return result, f"a mixture of {len(components)} normal distributions, fitted to {len(real)} real ones"


@cache
def _real(setting: Setting) -> NDArray[np.float32]:
    distinct = jpegs(setting, setting.size(400, 8), setting.size(SMALL, (160, 120)))
    cache_file = setting.scratch / "real.npz"
    return real_points([distinct[0].parent], cache_file, setting.device, -(-setting.size(REAL, 96) // len(distinct)))[0]


@cache
def _components(setting: Setting) -> tuple[NDArray[np.float64], list[tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    return normal_components(_real(setting), setting.size(_GROUPS, 4))


def normal_view(setting: Setting, count: int) -> EmbeddingView:
    """Return (count, 256) points of 200 normal distributions, each along 40 random directions; takes seconds."""
    device = setting.device.name
    random = torch.Generator(device).manual_seed(0)
    means = torch.randn(_GROUPS, _DIMS, generator=random, device=device)
    axes = torch.randn(_GROUPS, _DIRECTIONS, _DIMS, generator=random, device=device) * 0.3
    result = np.empty((count, _DIMS), np.float16)
    for start in range(0, count, _TILE_ROWS):
        rows = min(_TILE_ROWS, count - start)
        groups = torch.randint(_GROUPS, (rows,), generator=random, device=device)
        values = means[groups] + 0.1 * torch.randn(rows, _DIMS, generator=random, device=device)
        for group in range(_GROUPS):
            members = torch.nonzero(groups == group)[:, 0]
            values[members] += torch.randn(len(members), _DIRECTIONS, generator=random, device=device) @ axes[group]
        result[start : start + rows] = values.half().cpu().numpy()
    return view_of(result)


def view_of(values: NDArray[np.float16]) -> EmbeddingView:
    """Return a view of embeddings as a run has it of a level, standardized over all of them."""
    tiles = (values[start : start + 8192].astype(np.float32) for start in range(0, len(values), 8192))
    mean, std = fit_scaler(tiles)
    array = zarr.create_array({}, data=values, chunks=(8192, values.shape[1]), compressors=None)
    return EmbeddingView(embeddings=array, rows=np.arange(len(values)), mean=mean, std=std)


def write_run(path: Path, datasets: Mapping[str, Mapping[str, NDArray[np.float16]]]) -> RunStore:
    """Write a run that is listed and embedded, without later stages.

    Args:
        path: folder of the run, which must not exist.
        datasets: embeddings (rows, channels) by dataset and level.
    """
    first = next(iter(datasets.values()))
    lengths = {level: values.shape[1] for level, values in first.items()}
    rows = {name: len(next(iter(levels.values()))) for name, levels in datasets.items()}
    run = RunStore(path, RunRecord.of_embeddings(rows, lengths, block_rows=GROUP_ROWS))
    path.mkdir(parents=True)
    for name, levels in datasets.items():
        write_index(run, name, (Entry(f"/{name}/{row:08d}.jpg", 100, 0) for row in range(rows[name])))
        starts = range(0, rows[name], GROUP_ROWS)
        for block, start in enumerate(starts):
            write_image_stats(run, name, block, [_IMAGE_STATS] * min(GROUP_ROWS, rows[name] - start))
        merge_image_stats(run, name)
        create_pyramid(run, name, lengths)
        for block, start in enumerate(starts):
            block_values = {level: values[start : start + GROUP_ROWS] for level, values in levels.items()}
            write_embeddings(run, name, start, block_values)
            mark_done(run, name, block)
    (path / "rejects.csv").write_text("dataset,row,uri,status,error\n", encoding="utf-8")
    fit_scalers(run)
    return run


def two_datasets(values: NDArray[np.float16], levels: int) -> dict[str, dict[str, NDArray[np.float16]]]:
    """Split embeddings into two halves; only the first has the tenth that is farthest out on the first axis.

    All levels share the same embeddings, which take the memory of one level.
    """
    order = np.argsort(values[:, 0], kind="stable")
    rest, farthest = order[: -len(order) // 10], order[-len(order) // 10 :]
    rest = np.random.default_rng(0).permutation(rest)
    n_rest = len(values) // 2 - len(farthest)
    halves = {"real": np.concatenate([farthest, rest[:n_rest]]), "synthetic": rest[n_rest:]}
    level_names = [f"P{number + 2}" for number in range(levels)]
    return {name: dict.fromkeys(level_names, values[np.sort(rows)]) for name, rows in halves.items()}


def copy_run(run: Path, target: Path) -> Path:
    """Copy a run, so that another device can continue it, and return the copy."""
    shutil.copytree(run, target)
    return target
