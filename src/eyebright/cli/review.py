"""A page of this machine that asks a person about one doubtful label after the other.

Only who knows the address is answered: it holds a word that nobody can guess, and a page of another site that sends its
reader here is refused. An answer is on the disk before it is acknowledged. The page works without its script, which
only lets keys press the buttons.
"""

import secrets
import socketserver
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

from eyebright import htmlpage
from eyebright.cli.options import cannot_write
from eyebright.data import verdicts
from eyebright.data.dataset import Dataset
from eyebright.data.verdicts import Question
from eyebright.errors import CannotWrite
from eyebright.evaluation.doubtful import Case, words
from eyebright.evaluation.doubtful_page import STYLE, shown

HOST = "127.0.0.1"
MAX_BYTES = 10_000
"""Of what a form sends."""
WAIT_S = 30
"""For a request that does not come to its end."""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
BUTTONS = """
html { background: Canvas; color: CanvasText; }
form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin: .75rem 0; }
button, select { font: inherit; padding: .45rem .9rem; }
nav { display: flex; gap: 1rem; }
a { color: var(--note); }
kbd { font: inherit; border: 1px solid; border-radius: 3px; padding: 0 .3rem; }
p.status { margin: .5rem 0; }
"""
SCRIPT = """
const keys = {y: "yes", n: "no", d: "drop", s: "skip", b: "back"};
let pressed = false;  // a second key is for the next picture, which is not here yet
addEventListener("pageshow", () => { pressed = false; });
document.addEventListener("keydown", (event) => {
  const other = event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select");
  if (pressed || event.repeat || other) return;
  const button = document.getElementById(keys[event.key.toLowerCase()]);
  if (button) { pressed = true; event.preventDefault(); button.click(); }
});
"""


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: str = ""
    location: str = ""


class Review:
    """Cases, and what was said of them; `answer` may be called from several threads."""

    def __init__(self, cases: Sequence[Case], questions: Sequence[Question], data: Dataset, table: Path) -> None:
        self.cases, self.questions, self.data, self.table = cases, questions, data, table
        self.token = secrets.token_urlsafe(24)
        self.port = 0
        self.lock = threading.Lock()
        many = data.task == "multi"
        self.others = [] if many else [name for name in verdicts.names(data) if name.lower() not in verdicts.WORDS]
        """Labels that may be said in the place of the proposed one, as a table calls them."""
        told = verdicts.read(table, data) if table.exists() else {}
        self.said: dict[int, str] = {at: told[asked] for at, asked in enumerate(questions) if asked in told}

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}/{self.token}/"

    @property
    def answered(self) -> int:
        return len(self.said)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """One request: GET shows a case, POST takes a verdict of it and leads to the next."""
        origin = f"http://{HOST}:{self.port}"
        _, token, rest = [*path.split("/", 2), "", ""][:3]
        known = secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode())
        if not known or headers.get("Host") != f"{HOST}:{self.port}":
            return _sentence(403, "This is not the address that was printed; open that one.")
        if headers.get("Origin", origin) != origin or headers.get("Sec-Fetch-Site", "none") not in (
            "none",
            "same-origin",
        ):
            return _sentence(403, "Another site sent this; nothing was written.")
        if not rest:
            return self._lead(0)
        if not rest.isascii() or not rest.isdigit() or len(rest) > 9 or int(rest) >= len(self.cases):
            return _sentence(404, "There is no such page.") if rest != "done" else self._done()
        at = int(rest)
        return Answer(200, self._page(at)) if method == "GET" else self._take(at, body)

    def _take(self, at: int, body: bytes) -> Answer:
        written = parse_qs(body.decode("utf-8", "replace")).get("verdict", [""])[0]
        if written not in (*self.others, "yes", "no", "drop"):
            return _sentence(400, "A verdict is yes, no, drop, or a label of the data.")
        with self.lock:
            try:
                verdicts.add(self.table, self.questions[at], self.cases[at].doubt, written)
            except OSError as error:
                return _sentence(507, f"{cannot_write(self.table, error)} This answer is not kept.")
            self.said[at] = written
        return self._lead(at + 1)

    def _lead(self, start: int) -> Answer:
        """To the first from `start` on without an answer, or else from the top."""
        count = len(self.cases)
        open_ = [at for at in (*range(start, count), *range(min(start, count))) if at not in self.said]
        return Answer(303, location=f"/{self.token}/{open_[0] if open_ else 'done'}")

    def _page(self, at: int) -> str:
        case, count = self.cases[at], len(self.cases)
        given, proposed = words(case, self.data.labels)
        said = f" Your answer: {escape(self.said[at])}." if at in self.said else ""
        back = f'<a id="back" href="{at - 1}">Back <kbd>b</kbd></a>' if at else ""
        skip = f'<a id="skip" href="{(at + 1) % count}">Skip <kbd>s</kbd></a>'
        options = "".join(
            f"<option>{escape(name)}</option>" for name in self.others if name not in self.questions[at][1:]
        )
        other = (
            f'<form method="post"><label for="other">or it is</label> <select id="other" name="verdict">{options}'
            "</select> <button>Give this label</button></form>"
            if options
            else ""
        )
        status = f"{at + 1:,} of {count:,}; {len(self.said):,} have an answer.{said}"
        body = f"""<header><p class="status" role="status">{status}</p></header>
<main><section>{shown(case, self.data, "h1")}</section>
<form method="post">
<button id="yes" name="verdict" value="yes">Yes, {escape(proposed)} <kbd>y</kbd></button>
<button id="no" name="verdict" value="no">No, {escape(given)} is right <kbd>n</kbd></button>
<button id="drop" name="verdict" value="drop">Drop the picture <kbd>d</kbd></button>
</form>
{other}
<nav aria-label="other pictures">{back} {skip}</nav></main>"""
        return htmlpage.page(f"{at + 1} of {count}: {case.item.name}", body, STYLE + BUTTONS, SCRIPT)

    def _done(self) -> Answer:
        count = len(self.cases)
        left = count - len(self.said)
        text = f"{left:,} of {count:,} have no answer yet." if left else f"All {count:,} have an answer."
        body = f"""<main><h1>{text}</h1>
<p>The answers are in {escape(str(self.table))}. Ctrl-C in the terminal ends this.</p>
<p><a href="{count - 1}">Back to the last</a></p></main>"""
        return Answer(200, htmlpage.page("Review", body, BUTTONS))


def _sentence(status: int, text: str) -> Answer:
    return Answer(status, htmlpage.page("Review", f"<main><h1>{escape(text)}</h1></main>"))


class _Handler(BaseHTTPRequestHandler):
    """Hands requests to the review that its server has."""

    timeout = WAIT_S

    def do_GET(self) -> None:
        self._send(self._review().answer("GET", self.path, self._said()))

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or len(length) > 9 or int(length) > MAX_BYTES:
            self._send(_sentence(400, "That is more than a verdict."))
            return
        self._send(self._review().answer("POST", self.path, self._said(), self.rfile.read(int(length))))

    def _said(self) -> dict[str, str]:
        return {name.title(): value for name, value in self.headers.items()}

    def _review(self) -> Review:
        review: Review = self.server.review  # type: ignore[attr-defined]
        return review

    def _send(self, answer: Answer) -> None:
        content = answer.body.encode("utf-8", "replace")
        self.send_response(answer.status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if answer.location:
            self.send_header("Location", answer.location)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):  # who asked went away
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


class _Server(socketserver.ThreadingTCPServer):
    """Not http.server's, which asks the network for its own name."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is no news."""


def server(review: Review) -> socketserver.ThreadingTCPServer:
    """Serves a review on a free port of this machine alone. Raises CannotWrite where no port is to be had."""
    try:
        serving = _Server((HOST, 0), _Handler)
    except OSError as error:
        raise CannotWrite(f"No page can be opened on {HOST}: {(error.strerror or str(error)).lower()}.") from None
    serving.review = review  # type: ignore[attr-defined]
    review.port = serving.server_address[1]
    return serving
