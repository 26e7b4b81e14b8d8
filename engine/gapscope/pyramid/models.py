"""The networks that gapscope can embed with, by name."""

from torchvision.models import detection as tv

from gapscope.errors import OptionError
from gapscope.pyramid import bundled
from gapscope.pyramid.detector import FROM_P2, FROM_P3, FROM_P5, detector
from gapscope.pyramid.model import Model
from gapscope.pyramid.timm_backbone import PREFIX, backbone

MODELS: dict[str, Model] = {
    "fasterrcnn_resnet50_fpn_v2": detector(
        tv.fasterrcnn_resnet50_fpn_v2, tv.FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1, FROM_P2
    ),
    "fasterrcnn_resnet50_fpn": detector(
        tv.fasterrcnn_resnet50_fpn, tv.FasterRCNN_ResNet50_FPN_Weights.COCO_V1, FROM_P2
    ),
    "fasterrcnn_mobilenet_v3_large_fpn": detector(
        tv.fasterrcnn_mobilenet_v3_large_fpn, tv.FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1, FROM_P5
    ),
    "fasterrcnn_mobilenet_v3_large_320_fpn": detector(
        tv.fasterrcnn_mobilenet_v3_large_320_fpn,
        tv.FasterRCNN_MobileNet_V3_Large_320_FPN_Weights.COCO_V1,
        FROM_P5,
        size=320,
    ),
    "retinanet_resnet50_fpn": detector(tv.retinanet_resnet50_fpn, tv.RetinaNet_ResNet50_FPN_Weights.COCO_V1, FROM_P3),
    "retinanet_resnet50_fpn_v2": detector(
        tv.retinanet_resnet50_fpn_v2, tv.RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1, FROM_P3
    ),
    "fcos_resnet50_fpn": detector(tv.fcos_resnet50_fpn, tv.FCOS_ResNet50_FPN_Weights.COCO_V1, FROM_P3),
    "maskrcnn_resnet50_fpn": detector(tv.maskrcnn_resnet50_fpn, tv.MaskRCNN_ResNet50_FPN_Weights.COCO_V1, FROM_P2),
    "maskrcnn_resnet50_fpn_v2": detector(
        tv.maskrcnn_resnet50_fpn_v2, tv.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1, FROM_P2
    ),
    "keypointrcnn_resnet50_fpn": detector(
        tv.keypointrcnn_resnet50_fpn, tv.KeypointRCNN_ResNet50_FPN_Weights.COCO_V1, FROM_P2
    ),
    "bundled": bundled.MODEL,
}
"""Models by name. A program may add its own; every worker that embeds with one must add it too."""


def find_model(name: str) -> Model:
    """Return the model called `name`, which may be `timm:` and a name of timm's.

    Raises:
        OptionError: there is none.
    """
    if name.startswith(PREFIX):
        return backbone(name.removeprefix(PREFIX))
    if name not in MODELS:
        raise OptionError(f"--model {name!r}: choose one of {', '.join(MODELS)}, or {PREFIX}NAME")
    return MODELS[name]
