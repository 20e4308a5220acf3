"""The page that asks a person: who may see it, what an answer leaves behind, and that it goes on where it stopped."""

import re
import socket
import subprocess
import sys
from html import unescape
from types import SimpleNamespace

import pytest

from eyebright.cli import review as page
from eyebright.cli.review import Review
from eyebright.data import Dataset, Item, verdicts
from eyebright.data.verdicts import Question
from eyebright.evaluation.doubtful import Case
from eyebright.evaluation.mistakes import NONE
from eyebright.modelfile import Label
from pictures import encoded, plain


class Shelf:
    """A store of plain pictures; one of them is torn."""

    def read(self, name):
        return b"torn" if name == "c.png" else encoded(plain("red"))


LABELS = tuple(Label(name, name) for name in ("hat", "dress", "<b>skirt</b>", "yes"))
ITEMS = tuple(Item(f"{letter}.png", (0,), "train") for letter in "abcd")
QUESTIONS = [Question(item.name, "hat", "dress") for item in ITEMS[:3]]


def made(path, task="single"):
    data = Dataset("clothes", ITEMS, LABELS, task, Shelf())
    proposed = NONE if task == "multi" else 1
    cases = [Case(item, 0, proposed, 0.9, True, "8 of its 8 nearest are dress", (ITEMS[3],)) for item in ITEMS[:3]]
    asked = [Question(item.name, "hat", "") for item in ITEMS[:3]] if task == "multi" else QUESTIONS
    review = Review(cases, asked, data, path)
    review.port = 8123
    return review


@pytest.fixture
def review(tmp_path):
    return made(tmp_path / "verdicts.csv")


def asked(review, path="", method="GET", body=b"", **headers):
    given = {"Host": "127.0.0.1:8123", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return review.answer(method, f"/{review.token}/{path}", given, body)


def said(review):
    return list(verdicts.read(review.table, review.data).values()) if review.table.exists() else []


def test_an_answer_is_kept_and_leads_to_the_next(review):
    assert asked(review).location.endswith("/0")
    for at, word in enumerate((b"yes", b"no")):
        ended = asked(review, str(at), "POST", b"verdict=" + word)
        assert (ended.status, ended.location) == (303, f"/{review.token}/{at + 1}")
    assert said(review) == ["yes", "no"]
    assert asked(review, "2", "POST", b"verdict=drop").location.endswith("/done")
    assert "All 3 have an answer." in asked(review, "done").body


def test_whoever_starts_again_goes_on(review):
    asked(review, "0", "POST", b"verdict=drop")
    again = made(review.table)
    assert again.answered == 1
    assert again.token != review.token
    assert asked(again).location.endswith("/1")
    assert "Your answer: drop." in asked(again, "0").body


def test_a_skipped_one_comes_again_at_the_end(review):
    asked(review, "1", "POST", b"verdict=yes")
    assert asked(review, "2", "POST", b"verdict=yes").location.endswith("/0")


def test_another_label_may_be_given(review):
    """It is written as tables call it; a label called yes cannot be told from a yes, and is not offered."""
    options = re.findall(r"<option>(.*?)</option>", asked(review, "0").body)
    assert [unescape(name) for name in options] == ["<b>skirt</b>"]
    asked(review, "0", "POST", b"verdict=%3Cb%3Eskirt%3C%2Fb%3E")
    assert said(review) == ["<b>skirt</b>"]


def test_of_many_labels_it_asks_about_one(tmp_path):
    review = made(tmp_path / "v.csv", "multi")
    body = asked(review, "0").body
    assert "Yes, no hat" in body
    assert "<option>" not in body
    assert asked(review, "0", "POST", b"verdict=dress").status == 400
    asked(review, "0", "POST", b"verdict=yes")
    assert said(review) == ["yes"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/0", "/wrong/0", "/wrong/", "", "//", "/caf\udce9/0"])
def test_who_does_not_know_the_address_is_refused(review, method, path):
    ended = review.answer(method, path, {"Host": "127.0.0.1:8123"}, b"verdict=yes")
    assert ended.status == 403
    assert review.token not in ended.body
    assert said(review) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8123"},
        {"Host": "localhost:8123"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_site_is_refused_though_it_knows_the_address(review, headers):
    """A name that leads to this machine (DNS rebinding), or a form of another page."""
    assert (
        asked(review, "0", "POST", b"verdict=yes", **{k.replace("-", "_"): v for k, v in headers.items()}).status == 403
    )
    assert said(review) == []


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("3", "GET", b"", 404),
        ("-1", "GET", b"", 404),
        ("1/2", "GET", b"", 404),
        ("9" * 30, "GET", b"", 404),
        ("\u0663", "GET", b"", 404),
        ("0", "POST", b"", 400),
        ("0", "POST", b"verdict=maybe", 400),
        ("0", "POST", b"\xff\0=\xff&&&=", 400),
        ("0", "POST", b"&".join(b"a=1" for _ in range(99)), 400),
    ],
)
def test_an_odd_request_is_answered_and_writes_nothing(review, path, method, body, status):
    assert asked(review, path, method, body).status == status
    assert said(review) == []


def test_an_answer_that_cannot_be_written_is_not_acknowledged(review, tmp_path):
    review.table = tmp_path / "no" / "such" / "v.csv"
    ended = asked(review, "0", "POST", b"verdict=yes")
    assert ended.status == 507
    assert "cannot be written" in ended.body
    assert review.answered == 0


def test_names_and_labels_are_text_and_pictures_have_words(tmp_path):
    """Nothing from the data can become a tag; a picture that cannot be read is said."""
    review = made(tmp_path / "v.csv")
    for at in range(3):
        body = asked(review, str(at)).body
        assert "<b>" not in body
        assert body.count("<img") == body.count(' alt="')
        assert "default-src 'none'" in body
    assert "cannot be read" in asked(review, "2").body


def test_a_request_over_a_line_is_answered(review, monkeypatch):
    """The whole of it as a browser sends it, but for the network."""

    def spoken(text):
        ours, theirs = socket.socketpair()
        ours.sendall(text.encode())
        ours.shutdown(socket.SHUT_WR)
        page._Handler(theirs, ("127.0.0.1", 1), SimpleNamespace(review=review))
        theirs.close()
        with ours, ours.makefile("rb") as file:
            return file.read().decode()

    start = f"/{review.token}/0 HTTP/1.1\r\nHost: 127.0.0.1:8123\r\n"
    shown = spoken(f"GET {start}\r\n")
    assert shown.startswith("HTTP/1.0 200")
    assert "X-Frame-Options: DENY" in shown
    assert "8 of its 8 nearest are dress" in shown
    taken = spoken(f"POST {start}Origin: http://127.0.0.1:8123\r\nContent-Length: 11\r\n\r\nverdict=yes")
    assert taken.startswith("HTTP/1.0 303")
    assert said(review) == ["yes"]
    for length in ("", "-1", "x", "99999999", "1" * 40):
        assert spoken(f"POST {start}Content-Length: {length}\r\n\r\nverdict=no").startswith("HTTP/1.0 400")
    assert said(review) == ["yes"]


def test_it_listens_on_this_machine_alone(review):
    with page.server(review) as serving:
        assert serving.server_address == ("127.0.0.1", review.port)
        assert review.address == f"http://127.0.0.1:{review.port}/{review.token}/"
    assert len(review.token) >= 32


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 there")
def test_an_acknowledged_answer_survives_kill_9(tmp_path):
    """The process ends the hard way at the very moment at which the browser would be told."""
    program = (
        "import os, pathlib; from cli.test_review import made, asked; review = made(pathlib.Path('v.csv')); "
        "assert asked(review, '0', 'POST', b'verdict=no').status == 303; os.kill(os.getpid(), 9)"
    )
    tests = str(__import__("pathlib").Path(__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {tests!r}); {program}"], cwd=tmp_path, check=False
    )
    assert ended.returncode == -9
    assert made(tmp_path / "v.csv").said == {0: "no"}
