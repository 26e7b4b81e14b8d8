"""The networks that gapscope can embed with, by name.

Importing this module is cheap: torchvision and timm take seconds to import, and are imported when a network is built.
"""

from gapscope.errors import OptionError
from gapscope.pyramid import bundled, timm_backbone
from gapscope.pyramid.detector import FROM_P2, FROM_P3, FROM_P5, detector
from gapscope.pyramid.model import Model

MODELS: dict[str, Model] = {
    **{
        name: detector(name, outputs, size)
        for name, outputs, size in (
            ("fasterrcnn_resnet50_fpn_v2", FROM_P2, 512),
            ("fasterrcnn_resnet50_fpn", FROM_P2, 512),
            ("fasterrcnn_mobilenet_v3_large_fpn", FROM_P5, 512),
            ("fasterrcnn_mobilenet_v3_large_320_fpn", FROM_P5, 320),
            ("retinanet_resnet50_fpn", FROM_P3, 512),
            ("retinanet_resnet50_fpn_v2", FROM_P3, 512),
            ("fcos_resnet50_fpn", FROM_P3, 512),
            ("maskrcnn_resnet50_fpn", FROM_P2, 512),
            ("maskrcnn_resnet50_fpn_v2", FROM_P2, 512),
            ("keypointrcnn_resnet50_fpn", FROM_P2, 512),
        )
    },
    "bundled": bundled.MODEL,
}
"""Models by name. A program may add its own; every worker that embeds with such a model must add it too."""


def add_model(model: Model) -> str:
    """Let a model that a program made be found by its name, and return that.

    Raises:
        OptionError: its name is that of another model.
    """
    existing = MODELS.get(model.name)
    if not model.name or (existing is not None and not existing.fingerprint):
        raise OptionError(f"model name {model.name!r}: choose one that gapscope does not have", argument="model")
    MODELS[model.name] = model
    return model.name


def is_at_hand(name: str, fingerprint: str) -> bool:
    """Return whether this process has a model that a program made."""
    return name in MODELS and MODELS[name].fingerprint == fingerprint


def find_model(name: str) -> Model:
    """Return the model called `name`: a key of `MODELS`, or `timm:` followed by the name of a timm model.

    Raises:
        OptionError: there is no such model.

    Example:
        >>> find_model("bundled").size
        224
    """
    if name.startswith(timm_backbone.PREFIX):
        return timm_backbone.backbone(name.removeprefix(timm_backbone.PREFIX))
    if name not in MODELS:
        raise OptionError(
            f"choose one of {', '.join(MODELS)}, or {timm_backbone.PREFIX}NAME", argument="model", value=name
        )
    return MODELS[name]
