"""What a person writes first: onnxruntime and Pillow, one picture after another. FOLDER MODEL [--draft]"""

import json
import sys
import time
from pathlib import Path

began = time.perf_counter()
import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
from PIL import Image  # noqa: E402

session = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
first = None
names = {}
paths = sorted(Path(sys.argv[1]).iterdir())
for path in paths:
    picture = Image.open(path)
    if "--draft" in sys.argv:
        picture.draft("RGB", (256, 256))
    picture = picture.convert("RGB")
    scale = 256 / min(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
    pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)))[None]
    (scores,) = session.run(["scores"], {"image": pixels})
    names[path.name] = int(scores[0].argmax())
    first = first or time.perf_counter() - began
spent = time.perf_counter() - began
print(json.dumps({"pictures": len(paths), "seconds": spent, "first_s": first}))
