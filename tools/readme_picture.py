"""Pictures in the README and in docs/teach.md: photos beside what `eyebright predict` really prints of them, as an SVG.

python tools/readme_picture.py FOLDER           with chelsea.png, coffee.png and rocket.jpg (`make demo`)
python tools/readme_picture.py FOLDER MODEL     with hat.jpg, dress.jpg and beanie.jpg, and a model that was taught
"""

import base64
import io
import subprocess
import sys
from html import escape
from pathlib import Path

from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SHIPPED = ("chelsea.png", "coffee.png", "rocket.jpg")
TAUGHT = ("hat.jpg", "dress.jpg", "beanie.jpg")
LINE, TOP, SIDE, LEFT = 19, 64, 116, 160


def main() -> None:
    folder = Path(sys.argv[1])
    model = [str(Path(path).absolute()) for path in sys.argv[2:]]
    photos, output, said = (TAUGHT, "teach.svg", " --model run/model.onnx") if model else (SHIPPED, "predict.svg", "")
    command = [str(Path(sys.executable).with_name("eyebright")), "predict", *photos]
    command += ["--model", *model] if model else []
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    blocks = split(printed.splitlines())
    y, parts = TOP, []
    for name, lines in zip(photos, blocks, strict=True):
        parts.append(f'<image x="24" y="{y}" width="{SIDE}" height="{SIDE}" href="{thumbnail(folder / name)}"/>')
        for number, line in enumerate(lines):
            parts.append(text(LEFT, y + 14 + number * LINE, line, kind(line) if number == 0 else "row"))
        y += max(SIDE, len(lines) * LINE) + 22
    body = "\n".join([text(24, 40, f"$ eyebright predict {' '.join(photos)}{said}", "prompt"), *parts])
    (IMAGES / output).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{y}" viewBox="0 0 760 {y}" role="img" '
        f'aria-label="{escape(" ".join(printed.split()), quote=True)}">\n'
        "<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        "white-space:pre;fill:#cdd6e0}.head{font-weight:bold;fill:#8fd694}.doubt{font-weight:bold;fill:#e5c07b}.prompt{fill:#8aa0b5}</style>\n"
        f'<rect width="760" height="{y}" rx="8" fill="#17202a"/>\n{body}\n</svg>\n',
        encoding="utf-8",
    )


def split(lines: list[str]) -> list[list[str]]:
    """A block of lines a picture: the first of each is not indented."""
    blocks: list[list[str]] = []
    for line in lines:
        if not line.startswith(" "):
            blocks.append([])
        blocks[-1].append(line)
    return blocks


def kind(line: str) -> str:
    """Colors as on a terminal: a statement is green, doubt is yellow."""
    return "doubt" if line.endswith("not sure") else "head"


def text(x: int, y: int, line: str, style: str) -> str:
    return f'<text x="{x}" y="{y}" class="{style}" xml:space="preserve">{escape(line)}</text>'


def thumbnail(path: Path) -> str:
    """The middle of a photo as a data address."""
    with Image.open(path) as photo:
        side = min(photo.size)
        left, top = (photo.width - side) // 2, (photo.height - side) // 2
        small = photo.convert("RGB").resize((2 * SIDE, 2 * SIDE), box=(left, top, left + side, top + side))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    main()
