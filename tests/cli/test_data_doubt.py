"""`eyebright data doubt`: from pictures in the wrong folder to a corrected list; the data stay as they are."""

import csv
import json
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from eyebright.data import Dataset
from pictures import encoded, noise, write_patterns

QUICK = ["--encoder", "pixels", "--threads", "1"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Stripes, checks and blobs; one picture of blobs lies among the checks."""
    root = write_patterns(tmp_path_factory.mktemp("data") / "patterns")
    (root / "train/blobs/3.png").rename(root / "train/checks/wrong.png")
    return root


@pytest.fixture
def patterns(kept, tmp_path):
    """The same, in the folder of the test."""
    (tmp_path / "patterns").symlink_to(kept)
    return kept


def listing(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_picture_in_the_wrong_folder_is_named_with_the_reason(eyebright, patterns):
    ended = eyebright("data", "doubt", "patterns", *QUICK)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("patterns: Of 90 labels 1 is more likely wrong than right")
    assert "train/checks/wrong.png" in lines[3]
    assert lines[3].startswith("checks  blobs")
    assert "nearest pictures are blobs" in lines[3]


def test_from_a_verdict_to_a_corrected_list_and_not_a_byte_of_the_data_changes(eyebright, kept, tmp_path):
    patterns = tmp_path / "patterns"
    for name, content in listing(kept).items():
        (patterns / name).parent.mkdir(parents=True, exist_ok=True)
        (patterns / name).write_bytes(content)
    before = listing(patterns)
    ended = eyebright("data", "doubt", "patterns", *QUICK, "--top", 3, "--csv", "v.csv", "--html", "v.html")
    assert ended.code == 0, ended.err
    assert "v.csv: 3 rows" in ended.err
    page = (tmp_path / "v.html").read_text()
    assert "Labeled checks; rather blobs?" in page
    assert page.count("<img") == page.count(" alt=") == 3 * 9
    rows = list(csv.DictReader((tmp_path / "v.csv").open()))
    assert rows[0]["file"] == "train/checks/wrong.png"
    for row, verdict in zip(rows, ("yes", "no", "drop"), strict=True):
        row["verdict"] = verdict
    with (tmp_path / "v.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    ended = eyebright("data", "doubt", "patterns", "--apply", "v.csv", "--write", "corrected.csv")
    assert ended.code == 0, ended.err
    assert ended.err == "corrected.csv: 89 pictures, 1 with other labels, 1 dropped.\n"
    again = Dataset.read(tmp_path / "corrected.csv")
    told = {item.name: again.labels[item.labels[0]].label for item in again.items}
    assert told["patterns/train/checks/wrong.png"] == "blobs"
    assert len(told) == 89
    assert listing(patterns) == before


def test_json_is_one_object(eyebright, patterns):
    found = json.loads(eyebright("data", "doubt", "patterns", *QUICK, "--format", "json").out)
    assert (found["task"], found["pictures"], found["judged"], found["flagged"]) == ("single", 90, 90, 1)
    (first,) = found["suspects"]
    assert (first["file"], first["given"], first["proposed"]) == ("train/checks/wrong.png", "checks", "blobs")
    assert 0.5 < first["doubt"] <= 1
    assert len(first["near"]) == 8


def test_train_alone_may_be_judged(eyebright, patterns):
    found = json.loads(eyebright("data", "doubt", "patterns", *QUICK, "--split", "train", "--format", "json").out)
    assert found["pictures"] == 42


def test_a_review_keeps_answers_and_ends_with_ctrl_c(eyebright, patterns, tmp_path, monkeypatch):
    """A person says yes to the first; the list is written when they stop."""
    from eyebright.cli import review as page

    class Reader:
        def __init__(self, review):
            self.review = review
            review.port = 1

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def serve_forever(self, poll_interval):
            headers = {"Host": "127.0.0.1:1", "Origin": "http://127.0.0.1:1"}
            self.review.answer("POST", f"/{self.review.token}/0", headers, b"verdict=yes")
            raise KeyboardInterrupt

    opened = []
    monkeypatch.setattr(page, "server", Reader)
    monkeypatch.setattr("webbrowser.open", opened.append)
    (tmp_path / "patterns").unlink()
    for name, content in listing(patterns).items():
        (tmp_path / "patterns" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "patterns" / name).write_bytes(content)
    request = ["data", "doubt", "patterns", *QUICK, "--review", "--csv", "v.csv", "--write", "corrected.csv"]
    ended = eyebright(*request)
    assert ended.code == 0, ended.err
    assert "1 labels to judge, 0 have an answer: http://127.0.0.1:1/" in ended.err
    assert "v.csv: 1 of 1 have an answer." in ended.err
    assert len(opened) == 1
    assert "patterns/train/checks/wrong.png,blobs,train" in (tmp_path / "corrected.csv").read_text()
    again = eyebright(*request, "--no-browser", "--force")
    assert "1 labels to judge, 1 have an answer" in again.err
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "no such file or folder: nowhere"),
        (["patterns", "--review"], "--review keeps the answers in a table: name it with --csv FILE."),
        (["patterns", "--write", "c.csv"], "--write takes a person's verdicts: from --apply FILE, or from --review."),
        (["patterns", "--apply", "v.csv"], "--apply writes a corrected list: name it with --write FILE."),
        (["patterns", "--apply", "v.csv", "--write", "c.csv", "--html", "x"], "--apply only writes a corrected list"),
        (["patterns", "--apply", "v.csv", "--write", "v.csv"], "two options name the same file"),
        (["patterns", "--apply", "v.csv", "--write", "c.csv"], "v.csv cannot be read: no such file or directory."),
        (["patterns", "--apply", "taken", "--write", "c.csv"], "there is no column 'file'"),
        (["patterns", "--apply", "wrong.csv", "--write", "c.csv"], "wrong.csv, line 2: 'zebra' is no verdict"),
        (["patterns", "--csv", "taken"], "taken exists; --force overwrites it."),
        (["patterns", "--html", "taken"], "taken exists; --force overwrites it."),
        (["patterns", "--html", "no/such.html"], "make it first."),
        (["patterns", "--encoder", "nonsense"], "There is no encoder 'nonsense'"),
        (["two", *QUICK], "takes 5 different pictures of each of two labels or more"),
        (["one", *QUICK], "there is one class only"),
        (["one.png", *QUICK], "one.png: no reader knows this file"),
        (["patterns", "--top", "0"], "0 is not in the range x>=1"),
    ],
)
def test_a_bad_request_is_one_sentence_and_writes_nothing(eyebright, patterns, tmp_path, arguments, sentence):
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "wrong.csv").write_text(
        "file,given,proposed,doubt,verdict\ntrain/checks/wrong.png,checks,blobs,1,zebra\n"
    )
    (tmp_path / "one.png").write_bytes(encoded(noise()))
    for at, place in enumerate(("one/cat", "two/cat", "two/dog")):
        (tmp_path / place).mkdir(parents=True)
        for number in range(4):
            (tmp_path / place / f"{number}.png").write_bytes(encoded(noise(seed=10 * at + number)))
    before = {path for path in tmp_path.rglob("*")}
    ended = eyebright("data", "doubt", *arguments)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.err.count("\neyebright: ") + ended.err.startswith("eyebright: ") == 1
    assert ended.out == ""
    assert {path for path in tmp_path.rglob("*")} == before
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_broken_picture_is_named_and_the_rest_is_judged(eyebright, patterns):
    torn = patterns / "train" / "blobs" / "torn.png"
    torn.write_bytes(b"dear diary")
    ended = eyebright("data", "doubt", "patterns", *QUICK)
    torn.unlink()
    assert ended.code == 1
    assert "Left out: train/blobs/torn.png" in ended.err
    assert "1 of 91 could not be read." in ended.err
    assert "train/checks/wrong.png" in ended.out


def test_without_the_workshop_it_says_what_to_install(tmp_path, patterns):
    """Applying verdicts needs nothing beyond a plain install."""
    program = (
        "import sys; sys.modules['torch'] = None; from eyebright.cli import run; "
        "sys.exit(run(['data', 'doubt', 'patterns', *sys.argv[1:]]))"
    )
    (tmp_path / "v.csv").write_text("file,given,proposed,doubt,verdict\n")

    def ran(*arguments):
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    ended = ran()
    assert ended.returncode == 2
    assert "pip install 'eyebright[train]'" in ended.stderr
    assert ran("--apply", "v.csv", "--write", "patterns.csv").returncode == 2, "the folder is a link out of here"
