"""An audit as one HTML page that is whole in itself: findings with their pictures side by side, no scripts."""

from collections import Counter
from collections.abc import Iterator
from html import escape
from itertools import groupby

from eyebright import htmlpage
from eyebright.data.audit import Audit
from eyebright.data.dataset import Dataset, Item
from eyebright.data.finding import SEVERITIES, Finding
from eyebright.data.thumbnail import SIDE, thumbnail

GROUPS = 24
"""Groups that are shown of a finding."""
_IN_GROUP = 12

_STYLE = f"""
h2.stop {{ color: var(--stop); }} h2.warn {{ color: var(--warn); }} h2.note {{ color: var(--note); }}
section {{ border-top: 1px solid var(--faint); padding: .5rem 0 1rem; }}
h3 {{ font-size: 1rem; margin: .5rem 0; }}
p.more {{ margin: .5rem 0; opacity: .8; }}
ul.group {{ border: 1px solid var(--faint); border-radius: 6px; padding: .5rem; gap: .5rem; }}
figure {{ width: {SIDE}px; }}
figure img {{ width: {SIDE}px; height: {SIDE}px; }}
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
    body = f"""<header>
<h1>{name}: audit</h1>
<p>{len(dataset.items):,} pictures ({splits}), {len(dataset.labels):,} labels, task {dataset.task}.</p>
</header>
<main>
{"".join(parts) or "<p>Nothing was found.</p>"}
</main>"""
    return htmlpage.page(f"{dataset.name}: audit", body, _STYLE)


def _section(audit: Audit, finding: Finding) -> str:
    groups = "".join(_group(audit.dataset, group, "in the data") for group in finding.groups[:GROUPS])
    if finding.outside and audit.outside:
        groups += _group(audit.outside, finding.outside, "it will meet")
    rest = len(finding.groups) - GROUPS
    more = f'<p class="more">And {rest:,} more; --format json names them all.</p>' if rest > 0 else ""
    return f"<section><h3>{escape(finding.sentence)}</h3><ul class=pictures>{groups}</ul>{more}</section>"


def _group(dataset: Dataset, group: tuple[Item, ...], where: str) -> str:
    figures = "".join(f"<li>{figure}</li>" for figure in _figures(dataset, group))
    label = f"{len(group)} pictures {where}" if len(group) > 1 else group[0].name
    return f'<li><ul class="pictures group" aria-label="{escape(label, quote=True)}">{figures}</ul></li>'


def _figures(dataset: Dataset, group: tuple[Item, ...]) -> Iterator[str]:
    for item in group[:_IN_GROUP]:
        said = ", ".join(dataset.labels[at].label for at in item.labels)
        about = f"{item.split}: {said or 'no label'}" if dataset.labels else ""
        text = "<br>".join(escape(line) for line in (about, item.name) if line)
        yield f"<figure>{thumbnail(dataset, item, about)}<figcaption>{text}</figcaption></figure>"
    if len(group) > _IN_GROUP:
        yield f'<p class="more">and {len(group) - _IN_GROUP:,} more</p>'
