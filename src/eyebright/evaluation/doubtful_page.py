"""Doubtful labels as one HTML page that is whole in itself: each picture beside those that speak against its label."""

from collections.abc import Sequence
from html import escape

from eyebright import htmlpage
from eyebright.data.dataset import Dataset
from eyebright.data.thumbnail import thumbnail
from eyebright.evaluation.doubtful import Case, words

SHOWN = 100
"""Cases on a page: more would be too large for it."""
LARGE, SMALL = 224, 88
"""Pixels of the longer side: of a picture, and of those like it."""
STYLE = f"""
section {{ border-top: 1px solid var(--faint); padding: .5rem 0 1rem; }}
section > div {{ display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }}
h1 {{ font-size: 1.5rem; }}
h2 {{ font-size: 1.1rem; margin: .5rem 0; overflow-wrap: anywhere; }}
section > div > figure {{ width: {LARGE}px; }}
div.near {{ flex: 1 1 18rem; }}
div.near p {{ margin: 0 0 .5rem; }}
div.near figure {{ width: {SMALL}px; }}
.more {{ opacity: .8; }}
"""


def page(cases: Sequence[Case], data: Dataset, summary: str) -> str:
    """The page as text; `summary` says in a sentence what was found."""
    sections = "".join(f"<section>{shown(case, data)}</section>" for case in cases[:SHOWN])
    rest = len(cases) - SHOWN
    more = f'<p class="more">And {rest:,} more; --csv and --format json name them all.</p>' if rest > 0 else ""
    body = f"""<header>
<h1>{escape(data.name)}: doubtful labels</h1>
<p>{escape(summary)}</p>
</header>
<main>
{sections}{more}
</main>"""
    return htmlpage.page(f"{data.name}: doubtful labels", body, STYLE)


def shown(case: Case, data: Dataset, level: str = "h2") -> str:
    """One picture with its labels and the pictures like it, as HTML."""
    given, proposed = words(case, data.labels)
    near = "".join(
        f"<li><figure>{thumbnail(data, item, labeled(item.labels, data), SMALL)}"
        f"<figcaption>{escape(labeled(item.labels, data))}</figcaption></figure></li>"
        for item in case.near
    )
    return (
        f"<{level}>Labeled {escape(given)}; rather {escape(proposed)}?</{level}>"
        f"<div><figure>{thumbnail(data, case.item, f'given label {given}', LARGE)}"
        f"<figcaption>{escape(case.item.name)}, {case.item.split}</figcaption></figure>"
        f'<div class="near"><p>Wrong with a chance of {case.doubt:.3f}: {escape(case.reason)}.</p>'
        f"<ul class=pictures>{near}</ul></div></div>"
    )


def labeled(places: Sequence[int], data: Dataset) -> str:
    return ", ".join(data.labels[at].label for at in places) or "no label"
