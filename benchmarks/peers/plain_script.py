"""A script as people write it by hand: features through a DataLoader, umap-learn, scikit-learn, a plotly page.

python plain_script.py FIRST SECOND OUT THREADS
"""

import json
import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import torch
import umap
from backbone import SIDE, STAGES, Stages, Steps
from scipy.linalg import sqrtm
from sklearn.neighbors import NearestNeighbors
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import CenterCrop, Compose, Resize, ToTensor


def main() -> None:
    """Do the whole job on two folders, and write answer.json and a page."""
    first, second, out, threads = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    steps, network = Steps(), Stages()
    data = ImageFolder(str(first.parent), Compose([Resize(SIDE), CenterCrop(SIDE), ToTensor()]))
    parts: list[list[np.ndarray]] = [[] for _ in STAGES]
    for images, _ in DataLoader(data, batch_size=32, num_workers=threads):
        for part, values in zip(parts, network(images), strict=True):
            part.append(values.numpy())
    labels = np.array(data.targets)
    steps.done("embedding")
    numbers = {}
    for name, part in zip(STAGES, parts, strict=True):
        values = np.concatenate(part)
        points = umap.UMAP(n_components=3).fit_transform(values)
        steps.done(f"umap {name}")
        query, reference = values[labels == 0], values[labels == 1]
        distances = NearestNeighbors(n_neighbors=5).fit(reference).kneighbors(query)[0][:, -1]
        own_distances = NearestNeighbors(n_neighbors=6).fit(reference).kneighbors(reference)[0][:, -1]
        threshold = np.quantile(own_distances, 0.95)
        covariances = np.cov(query.T), np.cov(reference.T)
        frechet = float(np.sum((query.mean(axis=0) - reference.mean(axis=0)) ** 2))
        frechet += float(np.trace(covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real))
        numbers[name] = {"outside": int((distances > threshold).sum()), "frechet": frechet}
        scatter = go.Scatter3d(x=points[:, 0], y=points[:, 1], z=points[:, 2], mode="markers", marker={"color": labels})
        go.Figure(scatter).write_html(out / f"{name}.html")
        steps.done(f"numbers {name}")
    comes_out = "a map per stage, outliers by a cut at the 95th percentile, a Frechet distance; no error bars"
    answer = {"images": len(data), "steps": steps.seconds, "comes_out": comes_out, "numbers": numbers}
    (out / "answer.json").write_text(json.dumps(answer))
    print(second, len(data))


if __name__ == "__main__":
    main()
