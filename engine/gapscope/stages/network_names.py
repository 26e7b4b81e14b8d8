"""What the run's own network would call the kinds that have no name of the user's."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gapscope.compare.sample import sample
from gapscope.device import Device
from gapscope.pyramid.classifier import CLASSES, load_classifier, name_classes
from gapscope.settings import EmbedSettings
from gapscope.stages.pictures import decode_rows
from gapscope.store.run_store import RunStore

_MAX_IMAGES, _MAX_PER_KIND, _MIN_PER_KIND = 300, 60, 10


def name_by_network(
    run: RunStore, rows: Mapping[str, tuple[str, NDArray[np.int64]]], settings: EmbedSettings, device: Device
) -> dict[str, tuple[str, float]]:
    """Return what the network's own head calls kinds, and how sure it is; a kind that no class fits is left out.

    At most 300 images are classified, ten of each kind at least.

    Args:
        run: the run.
        rows: per kind, its dataset and the rows of its images, of each group one.
        settings: of the network.
        device: where it computes.
    """
    classifier = load_classifier(settings) if rows else None
    if classifier is None:
        return {}
    network = device.prepare_network(classifier, ())
    count = int(np.clip(_MAX_IMAGES // len(rows), _MIN_PER_KIND, _MAX_PER_KIND))
    names = {}
    for kind, (dataset, own) in rows.items():
        decoded = decode_rows(run, dataset, sample(own, count), device, settings.preprocess)
        pixels = list(decoded.pixels.values())
        if not pixels:
            continue
        probabilities = []
        for start in range(0, len(pixels), device.batch_images):
            part = np.stack(pixels[start : start + device.batch_images])
            probabilities.append(device.embed(network, part, "float32")()[CLASSES])
        name = name_classes(np.concatenate(probabilities), classifier.classes)
        if name is not None:
            names[kind] = name
    return names
