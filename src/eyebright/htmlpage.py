"""A page that is whole in itself: style, pictures and scripts are inside, and nothing from outside is ever asked for.

All of Eyebright's reports look alike: light and dark as the reader's system is, and readable on a phone.
"""

import base64
import hashlib
import io
from html import escape

from PIL import Image

STYLE = """
:root { color-scheme: light dark; --line: light-dark(#1769aa, #6db3f2); --second: light-dark(#b3541e, #ffb073);
  --faint: light-dark(#ddd, #444); --stop: light-dark(#b3261e, #ff8a80); --warn: light-dark(#8a5a00, #ffc766);
  --note: light-dark(#2b5fa8, #9ec3ff); }
html { background: Canvas; color: CanvasText; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 66rem; padding: 0 1rem; }
h1 { line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .5rem; }
table { border-collapse: collapse; }
th, td { text-align: right; padding: .2rem .7rem; border-bottom: 1px solid var(--faint); vertical-align: top; }
thead th, td { white-space: nowrap; } td { font-variant-numeric: tabular-nums; }
th[scope=row], .text { text-align: left; }
td.text { white-space: normal; min-width: 9rem; }
.wide { overflow-x: auto; }
img, .none { display: block; object-fit: contain; background: #8882; }
.none { display: grid; place-items: center; font-size: .75rem; }
figure { margin: 0; }
figcaption { font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; }
ul.pictures { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .75rem; }
pre { overflow-x: auto; font-size: 13px; }
svg { max-width: 100%; height: auto; display: block; }
svg text { font-size: 12px; fill: currentColor; }
svg .name { font-size: 14px; font-weight: 600; }
"""


def page(title: str, body: str, style: str = "", script: str = "") -> str:
    """A whole document; `body` is HTML, `title` is not. Only this very script may run, and nothing may be loaded."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>{STYLE}{style}</style>
</head>
<body>
{body}
{f"<script>{script}</script>" if script else ""}
</body>
</html>
"""


def image(picture: Image.Image, alt: str, side: int, quality: int = 80) -> str:
    """A picture as an HTML element, made small enough that its longer side is `side` pixels."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=quality)
    data = base64.b64encode(file.getvalue()).decode()
    return (
        f'<img src="data:image/jpeg;base64,{data}" alt="{escape(alt, quote=True)}" '
        f'width="{small.width}" height="{small.height}" loading="lazy">'
    )
