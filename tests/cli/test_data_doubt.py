"""`eyebright data doubt`: from pictures in the wrong folder to a corrected list; the data stay as they are."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from eyebright.data import Dataset
from eyebright.training import doubt
from pictures import COLORS, encoded, noise

QUICK = ["--threads", "1"]


def shirts(root, each=20):
    """Red, green and blue pictures in folders of these names; one red one lies among the blue ones."""
    random = np.random.default_rng(0)
    for color, pixel in COLORS.items():
        for split in ("train", "test"):
            (root / split / color).mkdir(parents=True)
        for number in range(each):
            pixels = np.clip(np.array(pixel) + random.normal(0, 30, (24, 32, 3)), 0, 255).astype(np.uint8)
            (root / ("train" if number % 2 else "test") / color / f"{number}.png").write_bytes(encoded(pixels))
    (root / "train/red/3.png").rename(root / "train/blue/wrong.png")
    return root


@pytest.fixture
def colors(tmp_path, monkeypatch):
    """Sixty shirts in the folder of the test; their embeddings are mean colors, to be quick."""

    real = doubt.see

    def see(data, identities, recipe, tell):
        if recipe.encoder != "efficientnet-lite0":
            return real(data, identities, recipe, tell)
        rows = [np.asarray(data.picture(item), np.float32).mean((0, 1)) / 255 for item in data.items]
        return np.stack(rows)

    monkeypatch.setattr(doubt, "see", see)
    return shirts(tmp_path / "shirts")


def listing(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_picture_in_the_wrong_folder_is_named_with_the_reason(eyebright, colors):
    ended = eyebright("data", "doubt", "shirts", *QUICK)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("shirts: Of 60 labels 1 is worth a look: it is wrong with a chance of ")
    assert "train/blue/wrong.png" in lines[3]
    assert lines[3].startswith("blue   red")
    assert "nearest pictures are red, none blue" in lines[3]


def test_from_a_verdict_to_a_corrected_list_and_not_a_byte_of_the_data_changes(eyebright, colors, tmp_path):
    before = listing(colors)
    ended = eyebright("data", "doubt", "shirts", *QUICK, "--top", 3, "--csv", "v.csv", "--html", "v.html")
    assert ended.code == 0, ended.err
    assert "v.csv: 3 rows" in ended.err
    page = (tmp_path / "v.html").read_text()
    assert "Labeled blue; rather red?" in page
    assert page.count("<img") == page.count(" alt=") == 3 * 9
    rows = list(csv.DictReader((tmp_path / "v.csv").read_text().splitlines()))
    assert rows[0]["file"] == "train/blue/wrong.png"
    for row, verdict in zip(rows, ("yes", "no", "drop"), strict=True):
        row["verdict"] = verdict
    with (tmp_path / "v.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    ended = eyebright("data", "doubt", "shirts", "--apply", "v.csv", "--write", "corrected.csv")
    assert ended.code == 0, ended.err
    assert ended.err == "corrected.csv: 59 pictures, 1 with other labels, 1 dropped.\n"
    again = Dataset.read(tmp_path / "corrected.csv")
    told = {item.name: again.labels[item.labels[0]].label for item in again.items}
    assert told["shirts/train/blue/wrong.png"] == "red"
    assert len(told) == 59
    assert listing(colors) == before


def test_json_is_one_object(eyebright, colors):
    found = json.loads(eyebright("data", "doubt", "shirts", *QUICK, "--format", "json").out)
    assert (found["task"], found["pictures"], found["judged"], found["flagged"]) == ("single", 60, 60, 1)
    (first,) = found["suspects"]
    assert (first["file"], first["given"], first["proposed"]) == ("train/blue/wrong.png", "blue", "red")
    assert 0.5 < first["doubt"] <= 1
    assert len(first["near"]) == 8


def test_train_alone_may_be_judged(eyebright, colors):
    found = json.loads(eyebright("data", "doubt", "shirts", *QUICK, "--split", "train", "--format", "json").out)
    assert found["pictures"] < 30


def test_a_review_keeps_answers_and_ends_with_ctrl_c(eyebright, colors, tmp_path, monkeypatch):
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
    monkeypatch.setattr("eyebright.cli.data_doubt._open", opened.append)
    request = ["data", "doubt", "shirts", *QUICK, "--review", "--csv", "v.csv", "--write", "corrected.csv"]
    ended = eyebright(*request)
    assert ended.code == 0, ended.err
    assert "1 labels to judge, 0 have an answer: http://127.0.0.1:1/" in ended.err
    assert "v.csv: 1 of 1 have an answer." in ended.err
    assert len(opened) == 1
    assert "shirts/train/blue/wrong.png,red,train" in (tmp_path / "corrected.csv").read_text()
    again = eyebright(*request, "--no-browser", "--force")
    assert "1 labels to judge, 1 have an answer" in again.err
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "no such file or folder: nowhere"),
        (["shirts", "--review"], "--review keeps the answers in a table: name it with --csv FILE."),
        (["shirts", "--write", "c.csv"], "--write takes a person's verdicts: from --apply FILE, or from --review."),
        (["shirts", "--apply", "v.csv"], "--apply writes a corrected list: name it with --write FILE."),
        (["shirts", "--apply", "v.csv", "--write", "c.csv", "--html", "x"], "--apply only writes a corrected list"),
        (["shirts", "--apply", "v.csv", "--write", "v.csv"], "two options name the same file"),
        (["shirts", "--apply", "v.csv", "--write", "c.csv"], "v.csv cannot be read: no such file or directory."),
        (["shirts", "--apply", "taken", "--write", "c.csv"], "there is no column 'file'"),
        (["shirts", "--apply", "wrong.csv", "--write", "c.csv"], "wrong.csv, line 2: 'zebra' is no verdict"),
        (["shirts", "--review", "--csv", "taken"], "there is no column 'file'"),
        (["shirts", "--review", "--csv", "no/such.csv"], "make it first."),
        (["shirts", "--csv", "taken"], "taken exists; --force overwrites it."),
        (["shirts", "--html", "taken"], "taken exists; --force overwrites it."),
        (["shirts", "--html", "no/such.html"], "make it first."),
        (["shirts", "--encoder", "nonsense"], "There is no encoder 'nonsense'"),
        (["two", *QUICK], "takes 5 different pictures of each of two labels or more"),
        (["one", *QUICK], "one class at most"),
        (["one.png", *QUICK], "one.png: no reader knows this file"),
        (["shirts", "--top", "0"], "0 is not in the range x>=1"),
    ],
)
def test_a_bad_request_is_one_sentence_and_writes_nothing(eyebright, colors, tmp_path, arguments, sentence):
    (tmp_path / "taken").write_text("mine")
    (tmp_path / "wrong.csv").write_text("file,given,proposed,doubt,verdict\ntrain/blue/wrong.png,blue,red,1,zebra\n")
    (tmp_path / "one.png").write_bytes(encoded(noise()))
    for at, place in enumerate(("one/cat", "two/cat", "two/dog")):
        (tmp_path / place).mkdir(parents=True)
        for number in range(4):
            (tmp_path / place / f"{number}.png").write_bytes(encoded(noise(seed=10 * at + number)))
    before = set(tmp_path.rglob("*"))
    ended = eyebright("data", "doubt", *arguments)
    assert ended.code == 2
    assert sentence in ended.err
    assert ended.err.count("\neyebright: ") + ended.err.startswith("eyebright: ") == 1
    assert ended.out == ""
    assert set(tmp_path.rglob("*")) == before
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_broken_picture_is_named_and_the_rest_is_judged(eyebright, colors):
    torn = colors / "train" / "red" / "torn.png"
    torn.write_bytes(b"dear diary")
    ended = eyebright("data", "doubt", "shirts", *QUICK)
    torn.unlink()
    assert ended.code == 1
    assert "Left out: train/red/torn.png" in ended.err
    assert "1 of 61 could not be read." in ended.err
    assert "train/blue/wrong.png" in ended.out


def test_without_the_workshop_it_says_what_to_install(tmp_path):
    """To apply verdicts takes no more than a plain install."""
    shirts(tmp_path / "shirts", 6)
    program = (
        "import sys; sys.modules['torch'] = None; from eyebright.cli import run; "
        "sys.exit(run(['data', 'doubt', 'shirts', *sys.argv[1:]]))"
    )
    (tmp_path / "v.csv").write_text("file,given,proposed,doubt,verdict\ntrain/blue/wrong.png,blue,red,1,yes\n")

    def ran(*arguments):
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    ended = ran()
    assert ended.returncode == 2
    assert "pip install 'eyebright[train]'" in ended.stderr
    assert ran("--apply", "v.csv", "--write", "corrected.csv").returncode == 0
