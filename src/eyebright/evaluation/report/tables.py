"""Sections and tables of a page; a table may be sorted by any column, by a press on its head."""

from collections.abc import Sequence
from html import escape


def section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[int] = (), sorts: bool = False, name: str = ""
) -> str:
    """Rows of HTML cells, the first of each its head; `texts` are columns of words."""

    def cell(at: int, text: str) -> str:
        if at == 0:
            return f"<th scope=row>{text}</th>"
        return f"<td{' class=text' if at in texts else ''}>{text}</td>"

    def head(at: int, text: str) -> str:
        if not text:
            return "<td></td>"
        inside = f"<button type=button>{escape(text)}</button>" if sorts else escape(text)
        return f"<th scope=col{' class=text' if at == 0 or at in texts else ''}>{inside}</th>"

    top = "".join(head(at, text) for at, text in enumerate(heads))
    thead = f"<thead><tr>{top}</tr></thead>" if any(heads) else ""
    body = "".join(f"<tr>{''.join(cell(at, text) for at, text in enumerate(row))}</tr>" for row in rows)
    kind = ' class="sorts"' if sorts else ""
    label = f' aria-label="{escape(", ".join(filter(None, heads)) or name, quote=True)}"'
    return (
        f'<div class="wide" tabindex="0" role="region"{label}><table{kind}>{thead}<tbody>{body}</tbody></table></div>'
    )


STYLE = """
button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
button::after { content: " ↕"; opacity: .6; }
th[aria-sort=ascending] button::after { content: " ↑"; opacity: 1; }
th[aria-sort=descending] button::after { content: " ↓"; opacity: 1; }
"""
SORTING = """
for (const table of document.querySelectorAll("table.sorts")) {
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => {
    const text = row.cells[at].textContent.trim(), number = parseFloat(text.replaceAll(",", ""));
    return text === "" ? null : Number.isNaN(number) || at === 0 ? text.toLowerCase() : number;
  };
  heads.forEach((head, at) => head.firstElementChild?.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].sort((first, second) => {
      const a = value(first, at), b = value(second, at);
      if (a === null || b === null) return (a === null) - (b === null);
      return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
    });
    table.tBodies[0].append(...rows);
  }));
}
"""
