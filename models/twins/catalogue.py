"""The architecture twins: public architectures with seeded weights, for size and speed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """Who wrote the layers down: ``keras.applications``, or ``architectures.py`` here."""

    MOBILENET_V1 = "v1"
    MOBILENET_V2 = "v2"
    RESNET50 = "resnet50"
    TINY_AD = "tiny-ad"
    TINY_KWS = "tiny-kws"
    TINY_RESNET = "tiny-resnet"
    TINY_VWW = "tiny-vww"


@dataclass(frozen=True, slots=True)
class Twin:
    """``alpha`` is the width and ``size`` the side of the image, where the family has them;
    ``images`` are the calibration samples.
    """

    name: str
    family: Family
    alpha: float
    size: int
    images: int = 100


TWINS = {
    twin.name: twin
    for twin in (
        Twin("mlperf_tiny_ad01", Family.TINY_AD, 1.0, 640),
        Twin("mlperf_tiny_kws", Family.TINY_KWS, 1.0, 49),
        Twin("mlperf_tiny_resnet8", Family.TINY_RESNET, 1.0, 32),
        Twin("mlperf_tiny_vww", Family.TINY_VWW, 0.25, 96),
        Twin("mobilenet_v1_025_96", Family.MOBILENET_V1, 0.25, 96),
        Twin("mobilenet_v1_025_224", Family.MOBILENET_V1, 0.25, 224),
        Twin("mobilenet_v2_035_128", Family.MOBILENET_V2, 0.35, 128),
        Twin("mobilenet_v2_035_224", Family.MOBILENET_V2, 0.35, 224),
        Twin("mobilenet_v2_100_224", Family.MOBILENET_V2, 1.0, 224),
        # Four thousand million multiply-adds a sample: reference kernels take seconds for each.
        Twin("resnet50_224", Family.RESNET50, 1.0, 224, images=16),
    )
}
