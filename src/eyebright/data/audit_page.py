"""An audit as one HTML page that is whole in itself: findings with their pictures side by side, no scripts."""

import base64
import io
from collections import Counter
from collections.abc import Iterator
from html import escape
from itertools import groupby

from PIL import Image

from eyebright.data.audit import Audit
from eyebright.data.dataset import Dataset, Item
from eyebright.data.finding import SEVERITIES, Finding
from eyebright.errors import BadPicture

SIDE = 144
"""Pixels of the longer side of a small picture."""
GROUPS = 24
"""Groups that are shown of a finding."""
_IN_GROUP = 12

_STYLE = f"""
:root {{ color-scheme: light dark; --line: #8886; --stop: #b3261e; --warn: #8a5a00; --note: #2b5fa8; }}
@media (prefers-color-scheme: dark) {{ :root {{ --stop: #ff8a80; --warn: #ffc766; --note: #9ec3ff; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 72rem; padding: 0 1rem; }}
h2 {{ margin: 2rem 0 .5rem; }}
h2.stop {{ color: var(--stop); }} h2.warn {{ color: var(--warn); }} h2.note {{ color: var(--note); }}
section {{ border-top: 1px solid var(--line); padding: .5rem 0 1rem; }}
h3 {{ font-size: 1rem; margin: .5rem 0; }}
p.more {{ margin: .5rem 0; opacity: .8; }}
ul {{ list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .75rem; }}
ul.group {{ border: 1px solid var(--line); border-radius: 6px; padding: .5rem; gap: .5rem; }}
figure {{ margin: 0; width: {SIDE}px; }}
figcaption {{ font-size: .75rem; line-height: 1.3; overflow-wrap: anywhere; }}
img, .none {{ display: block; width: {SIDE}px; height: {SIDE}px; object-fit: contain; background: #8882; }}
.none {{ display: grid; place-items: center; font-size: .75rem; }}
"""


def page(audit: Audit) -> str:
    """The page as text; pictures are inside it as data."""
    dataset = audit.dataset
    name = escape(dataset.name)
    splits = ", ".join(f"{count:,} {split}" for split, count in Counter(x.split for x in dataset.items).items())
    parts: list[str] = []
    for severity, findings in groupby(audit.findings, lambda finding: finding.severity):
        parts.append(f'<h2 class="{severity}">{SEVERITIES[severity]}</h2>')
        parts.extend(_section(audit, finding) for finding in findings)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{name}: audit</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{name}: audit</h1>
<p>{len(dataset.items):,} pictures ({splits}), {len(dataset.labels):,} labels, task {dataset.task}.</p>
</header>
<main>
{"".join(parts) or "<p>Nothing was found.</p>"}
</main>
</body>
</html>
"""


def _section(audit: Audit, finding: Finding) -> str:
    groups = "".join(_group(audit.dataset, group, "in the data") for group in finding.groups[:GROUPS])
    if finding.outside and audit.outside:
        groups += _group(audit.outside, finding.outside, "it will meet")
    rest = len(finding.groups) - GROUPS
    more = f'<p class="more">And {rest:,} more; --format json names them all.</p>' if rest > 0 else ""
    return f"<section><h3>{escape(finding.sentence)}</h3><ul>{groups}</ul>{more}</section>"


def _group(dataset: Dataset, group: tuple[Item, ...], where: str) -> str:
    figures = "".join(f"<li>{figure}</li>" for figure in _figures(dataset, group))
    label = f"{len(group)} pictures {where}" if len(group) > 1 else group[0].name
    return f'<li><ul class="group" aria-label="{escape(label, quote=True)}">{figures}</ul></li>'


def _figures(dataset: Dataset, group: tuple[Item, ...]) -> Iterator[str]:
    for item in group[:_IN_GROUP]:
        said = ", ".join(dataset.labels[at].label for at in item.labels)
        about = f"{item.split}: {said or 'no label'}" if dataset.labels else ""
        text = "<br>".join(escape(line) for line in (about, item.name) if line)
        yield f"<figure>{_picture(dataset, item, about)}<figcaption>{text}</figcaption></figure>"
    if len(group) > _IN_GROUP:
        yield f'<p class="more">and {len(group) - _IN_GROUP:,} more</p>'


def _picture(dataset: Dataset, item: Item, about: str) -> str:
    try:
        picture = dataset.picture(item, shorter=SIDE)
    except BadPicture:
        return '<div class="none">cannot be read</div>'
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=80)
    data = base64.b64encode(file.getvalue()).decode()
    alt = escape(f"{item.name}, {about}" if about else item.name, quote=True)
    return f'<img src="data:image/jpeg;base64,{data}" alt="{alt}" loading="lazy">'
