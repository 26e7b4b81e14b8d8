"""The networks that gapscope can embed with, by name.

A name costs nothing: torchvision and timm, which take seconds to import, are imported when a network is built.
"""

from gapscope.errors import OptionError
from gapscope.pyramid import bundled, timm_backbone
from gapscope.pyramid.detector import FROM_P2, FROM_P3, FROM_P5, detector
from gapscope.pyramid.model import Model

MODELS: dict[str, Model] = {
    "fasterrcnn_resnet50_fpn_v2": detector(
        "fasterrcnn_resnet50_fpn_v2", "FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1", FROM_P2
    ),
    "fasterrcnn_resnet50_fpn": detector("fasterrcnn_resnet50_fpn", "FasterRCNN_ResNet50_FPN_Weights.COCO_V1", FROM_P2),
    "fasterrcnn_mobilenet_v3_large_fpn": detector(
        "fasterrcnn_mobilenet_v3_large_fpn", "FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1", FROM_P5
    ),
    "fasterrcnn_mobilenet_v3_large_320_fpn": detector(
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "FasterRCNN_MobileNet_V3_Large_320_FPN_Weights.COCO_V1",
        FROM_P5,
        size=320,
    ),
    "retinanet_resnet50_fpn": detector("retinanet_resnet50_fpn", "RetinaNet_ResNet50_FPN_Weights.COCO_V1", FROM_P3),
    "retinanet_resnet50_fpn_v2": detector(
        "retinanet_resnet50_fpn_v2", "RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1", FROM_P3
    ),
    "fcos_resnet50_fpn": detector("fcos_resnet50_fpn", "FCOS_ResNet50_FPN_Weights.COCO_V1", FROM_P3),
    "maskrcnn_resnet50_fpn": detector("maskrcnn_resnet50_fpn", "MaskRCNN_ResNet50_FPN_Weights.COCO_V1", FROM_P2),
    "maskrcnn_resnet50_fpn_v2": detector(
        "maskrcnn_resnet50_fpn_v2", "MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1", FROM_P2
    ),
    "keypointrcnn_resnet50_fpn": detector(
        "keypointrcnn_resnet50_fpn", "KeypointRCNN_ResNet50_FPN_Weights.COCO_V1", FROM_P2
    ),
    "bundled": bundled.MODEL,
}
"""Models by name. A program may add its own; every worker that embeds with one must add it too."""


def find_model(name: str) -> Model:
    """Return the model called `name`, which may be `timm:` and a name of timm's.

    Raises:
        OptionError: there is none.
    """
    if name.startswith(timm_backbone.PREFIX):
        return timm_backbone.backbone(name.removeprefix(timm_backbone.PREFIX))
    if name not in MODELS:
        raise OptionError(f"--model {name!r}: choose one of {', '.join(MODELS)}, or {timm_backbone.PREFIX}NAME")
    return MODELS[name]
