"""transformers' image-classification pipeline on a CPU with MobileNetV2 (it has no EfficientNet-Lite). FOLDER

The weights are random, since transformers would download them; the work is the same.
"""

import json
import sys
import time
from pathlib import Path

began = time.perf_counter()
import shim  # noqa: E402, F401
from transformers import (  # noqa: E402
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
    MobileNetV2ImageProcessor,
    pipeline,
)

model = MobileNetV2ForImageClassification(MobileNetV2Config(num_labels=1000)).eval()
classify = pipeline("image-classification", model=model, image_processor=MobileNetV2ImageProcessor(), device="cpu")
first = None
paths = sorted(Path(sys.argv[1]).iterdir())
for path in paths:
    classify(str(path), top_k=5)
    first = first or time.perf_counter() - began
print(json.dumps({"pictures": len(paths), "seconds": time.perf_counter() - began, "first_s": first}))
