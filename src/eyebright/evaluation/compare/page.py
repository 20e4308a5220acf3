"""A comparison as one HTML page that is whole in itself: the verdict, the figures, and the pictures that flip."""

from collections.abc import Sequence
from html import escape

from eyebright import htmlpage
from eyebright.data.dataset import Dataset
from eyebright.data.thumbnail import SIDE, thumbnail
from eyebright.evaluation.calibration import Floats
from eyebright.evaluation.compare import words
from eyebright.evaluation.compare.difference import Comparison
from eyebright.evaluation.compare.words import Row, Side

SHOWN = 60
"""Flips that are shown of each way."""
_STYLE = f"""
figure {{ width: {SIDE}px; }}
dt {{ float: left; font-weight: 600; width: 1.5rem; }}
dd {{ margin: 0 0 0 1.5rem; overflow-wrap: anywhere; }}
p.verdict {{ font-size: 1.15rem; }}
.more {{ opacity: .8; }}
"""


def page(found: Comparison, data: Dataset, targets: Floats, a: Side, b: Side, part: str) -> str:
    """The page as text; `data` has the pictures that were compared, in their order, and `part` says which these are."""
    labels = data.labels
    body = f"""<header>
<h1>Two models compared</h1>
<dl>{_named("A", a)}{_named("B", b)}</dl>
<p>On {escape(part)}. Every difference is B - A, with its 95% interval; p is the chance of one as large, if it did not
matter which of the two answers.</p>
</header>
<main>
<p class="verdict">{escape(words.verdict(found))}</p>
{_table("figures", ("", "A", "B", "B - A", "p"), words.figure_rows(found))}
<h2>What they cost</h2>
{_table("costs", ("", "A", "B", ""), words.cost_rows(a, b))}
<p>{escape(words.how_measured(a, b))}</p>
<h2>Labels that gain and lose</h2>
<p>{"Recall" if found.of_labels == "recall" else "Average precision"} of each label. {
        escape(words.by_chance(found, labels))
    }</p>
{_table("labels", ("label", "pictures", "A", "B", "B - A", "p", ""), words.label_rows(found.labels, labels))}
<h2>Pictures that flip</h2>
<p>{escape(words.flip_counts(found))}</p>
{_flips("B gets right, A wrong", found, found.gained.tolist(), data, targets, a, b)}
{_flips("A gets right, B wrong", found, found.lost.tolist(), data, targets, a, b)}
</main>"""
    return htmlpage.page("Two models compared", body, _STYLE)


def _named(letter: str, side: Side) -> str:
    return f"<dt>{letter}</dt><dd>{escape(side.file.path)} ({escape(side.file.metadata.name)})</dd>"


def _table(what: str, header: Row, rows: Sequence[Row]) -> str:
    """`what` names it for those who cannot see it."""
    heads = "".join(f"<th scope=col>{escape(name)}</th>" if name else "<td></td>" for name in header)
    heads = heads.replace("<th", "<th class=text", 1) if header[0] else heads
    lines = "".join(
        f"<tr><th scope=row>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    return (
        f'<div class=wide tabindex=0 role=region aria-label="{what}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _flips(
    title: str, found: Comparison, pairs: list[list[int]], data: Dataset, targets: Floats, a: Side, b: Side
) -> str:
    """Pictures under a title, the largest change of score first."""
    if not pairs:
        return f"<h3>{title}: none</h3>"
    figures = []
    for pair in pairs[:SHOWN]:
        true = words.truth(pair, targets, found.task, data.labels)
        first, second = (words.said(pair, side, found.task, data.labels) for side in (a, b))
        picture = thumbnail(data, data.items[pair[0]], f"{true}; A said {first}, B said {second}")
        caption = f"<b>{escape(true)}</b><br>A: {escape(first)}<br>B: {escape(second)}"
        figures.append(f"<li><figure>{picture}<figcaption>{caption}</figcaption></figure></li>")
    rest = len(pairs) - SHOWN
    more = f'<p class="more">And {rest:,} more; --format json names them all.</p>' if rest > 0 else ""
    return f"<h3>{title}: {len(pairs):,}</h3><ul class=pictures>{''.join(figures)}</ul>{more}"
