"""timm's own way on a CPU: its EfficientNet-Lite0, its transform, one picture after another. FOLDER

The weights are random, since timm would download them; the work is the same.
"""

import json
import sys
import time
from pathlib import Path

began = time.perf_counter()
import shim  # noqa: E402, F401
import timm  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

model = timm.create_model("efficientnet_lite0", pretrained=False).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
first = None
paths = sorted(Path(sys.argv[1]).iterdir())
with torch.inference_mode():
    for path in paths:
        model(transform(Image.open(path).convert("RGB"))[None]).softmax(-1).topk(5)
        first = first or time.perf_counter() - began
print(json.dumps({"pictures": len(paths), "seconds": time.perf_counter() - began, "first_s": first}))
