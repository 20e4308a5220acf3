"""Ultralytics' smallest classifier on a CPU, by its own predict call. FOLDER

The weights are random, since Ultralytics would download them; the work is the same.
"""

import json
import sys
import time
from pathlib import Path

began = time.perf_counter()
import shim  # noqa: E402, F401
from ultralytics import YOLO  # noqa: E402

model = YOLO("yolov8n-cls.yaml", task="classify")
first = None
paths = sorted(Path(sys.argv[1]).iterdir())
for path in paths:
    model.predict(str(path), verbose=False, device="cpu")
    first = first or time.perf_counter() - began
print(json.dumps({"pictures": len(paths), "seconds": time.perf_counter() - began, "first_s": first}))
