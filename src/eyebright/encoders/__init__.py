"""Encoders: images to features, a family a file. `ENCODERS[name]()` builds one with random weights."""

from collections.abc import Callable
from functools import partial

from eyebright.encoders.alexnet import alexnet
from eyebright.encoders.efficientnet_lite import LITES, efficientnet_lite
from eyebright.encoders.encoder import Encoder
from eyebright.encoders.genotype import NASNET_A
from eyebright.encoders.googlenet import googlenet
from eyebright.encoders.inception_v3 import inception_v3
from eyebright.encoders.mobilenet_v1 import mobilenet_v1
from eyebright.encoders.mobilenet_v2 import mobilenet_v2
from eyebright.encoders.mobilenet_v3 import LARGE, SMALL, mobilenet_v3
from eyebright.encoders.nasnet import nasnet
from eyebright.encoders.resnet import resnet, resnet_8
from eyebright.encoders.squeezenet import squeezenet
from eyebright.encoders.vgg import vgg

ENCODERS: dict[str, Callable[..., Encoder]] = {
    "alexnet": alexnet,
    **{
        f"efficientnet-lite{number}": partial(efficientnet_lite, number, size=lite.size)
        for number, lite in enumerate(LITES)
    },
    "googlenet": googlenet,
    "inception-v3": inception_v3,
    "mobilenet-v1": mobilenet_v1,
    "mobilenet-v2": mobilenet_v2,
    "mobilenet-v3-small": partial(mobilenet_v3, SMALL),
    "mobilenet-v3-large": partial(mobilenet_v3, LARGE),
    "nasnet-mobile": partial(nasnet, NASNET_A),
    "resnet-8": resnet_8,
    "resnet-18": partial(resnet, 18),
    "resnet-34": partial(resnet, 34),
    "resnet-50": partial(resnet, 50),
    "resnet-101": partial(resnet, 101),
    "resnet-152": partial(resnet, 152),
    "squeezenet-1.0": partial(squeezenet, "1.0"),
    "squeezenet-1.1": partial(squeezenet, "1.1"),
    "vgg-11": partial(vgg, 11),
    "vgg-11-bn": partial(vgg, 11, norm=True),
    "vgg-13": partial(vgg, 13),
    "vgg-13-bn": partial(vgg, 13, norm=True),
    "vgg-16": partial(vgg, 16),
    "vgg-16-bn": partial(vgg, 16, norm=True),
    "vgg-19": partial(vgg, 19),
    "vgg-19-bn": partial(vgg, 19, norm=True),
}

__all__ = ["ENCODERS", "Encoder"]
