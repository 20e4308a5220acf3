"""Pictures and models made in code: small, the same every time."""

import io

import numpy as np
from PIL import Image

from eyebright import modelfile, selftest
from eyebright.modelfile import Abstain, Input, Label, Metadata

ORIENTATION = 0x0112
COLORS = {"red": (220, 20, 20), "green": (20, 200, 40), "blue": (30, 40, 220)}


def noise(width=64, height=48, seed=0):
    """(H, W, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def write_patterns(root, counts=(("train", 14), ("validation", 8), ("test", 8)), seed=0):
    """Stripes, checks and blobs in random colors, as root/split/label/number.png; so many of each label and split."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :48]
    for split, count in counts:
        for kind in ("blobs", "checks", "stripes"):
            place = root / split / kind
            place.mkdir(parents=True)
            for number in range(count):
                side, (left, top) = random.integers(4, 9), random.integers(0, 8, 2)
                pattern = {
                    "blobs": (x - 16 - 2 * left) ** 2 + (y - 14 - top) ** 2 < 20 * side,
                    "checks": ((x + left) // side + (y + top) // side) % 2,
                    "stripes": ((x + left) // side) % 2,
                }[kind]
                colors = random.integers(0, 256, (2, 3))
                pixels = np.where(pattern[..., None] > 0, *colors) + random.normal(0, 12, (40, 48, 3))
                (place / f"{number}.png").write_bytes(encoded(np.clip(pixels, 0, 255).astype(np.uint8)))
    return root


def plain(color, width=64, height=48):
    """A picture of one color."""
    return Image.new("RGB", (width, height), COLORS.get(color, color))


def opened(path):
    """A file as a decoded PIL image."""
    with Image.open(path) as picture:
        picture.load()
        return picture


def encoded(picture, form="PNG", **options):
    """A PIL image or an array as the bytes of a file."""
    file = io.BytesIO()
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(file, form, **options)
    return file.getvalue()


def turned(picture, orientation, form="PNG", **options):
    """A file that shows `picture` upright, stored as a camera held in one of the eight ways stores it."""
    undone = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = picture.transpose(undone[orientation]) if orientation in undone else picture
    return encoded(stored, form, exif=exif, **options)


def animation(*colors, duration_ms=500):
    """An animated GIF, one frame a color."""
    frames = [plain(color) for color in colors]
    for number, frame in enumerate(frames):
        frame.putpixel((number % 64, number // 64), (255, 255, 255))  # or Pillow makes one frame of equal ones
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=duration_ms, loop=0)


def video(path, *colors, seconds_each=1, rate=10, size=64):
    """A video of plain colors, `seconds_each` seconds each; needs PyAV."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for color in colors:
            frame = av.VideoFrame.from_image(plain(color, size, size))
            for _ in range(round(seconds_each * rate)):
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def color_model(
    task="single", thresholds=None, abstain=None, embedding=True, labels=("red", "green", "blue"), sharp=12.0, size=8
):
    """A model file, as bytes: it tells red, green and blue by the mean color; "warm" stands above red and green."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "scale": np.array(255, np.float32),
        "weight": np.eye(3, dtype=np.float32)[:, : len(labels)] * sharp,
        "bias": np.full(len(labels), -sharp / 2, np.float32),
        "temperature": np.array(1, np.float32),
        "sides": np.array([1, 2], np.int64),
    }
    last = ("Sigmoid", {}) if task == "multi" else ("Softmax", {"axis": 1})
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["unit"]),
        helper.make_node("ReduceMean", ["unit", "sides"], ["embedding"], keepdims=0),
        helper.make_node("MatMul", ["embedding", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["calm"]),
        helper.make_node(last[0], ["calm"], ["scores"], **last[1]),
    ]
    outputs = [("scores", len(labels)), ("logits", len(labels)), *([("embedding", 3)] if embedding else [])]
    graph = helper.make_graph(
        nodes,
        "colors",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name, width in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    metadata = Metadata(
        format=1,
        name="colors",
        task=task,
        labels=tuple(Label(f"c-{name}", name, "c-warm" if name in ("red", "green") else None) for name in labels),
        hierarchy=(Label("c-warm", "warm"),),
        input=Input(size=size),
        golden=selftest.placeholder(size, len(labels)),
        thresholds=thresholds or {},
        abstain=None if abstain is None else Abstain("max_logit", abstain, "made by hand"),
        temperature="temperature",
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return selftest.seal(model, metadata)


def color_recognizer(*, threads=1, **how):
    """A Recognizer for `color_model`; what it is asked by is split from what it is made by."""
    import eyebright

    asked = {name: how.pop(name) for name in ("top", "threshold", "none_of_these", "size") if name in how}
    model = modelfile.from_bytes(color_model(**how))
    return eyebright.load(model, threads=threads, trust=True, **asked)
