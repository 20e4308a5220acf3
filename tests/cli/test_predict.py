"""`eyebright predict` as a user meets it."""

import csv
import io
import json
import sys
from importlib.util import find_spec

import pytest

from pictures import animation, encoded, plain, video

needs_av = pytest.mark.skipif(find_spec("av") is None, reason="the extra `video` (PyAV) is not installed")


@pytest.fixture
def predict(eyebright, colors):
    """`predict` with the model of colors."""

    def call(*arguments):
        return eyebright("predict", *arguments, "--model", colors, "--trust", "--threads", 1)

    return call


def rows(ended):
    return [json.loads(line) for line in ended.out.splitlines()]


def test_a_photo_is_named(eyebright, cat):
    """The README's first line, with the model that ships."""
    ended = eyebright("predict", cat)
    assert ended.code == 0
    assert ended.err == ""
    first, second, *rest = ended.out.splitlines()
    assert first.startswith(f"{cat}  cat 0.9")
    assert second.split()[0] == "cat"
    assert "█" in second
    assert len(rest) <= 5


def test_a_folder_is_named_and_what_failed_is_told(predict, holiday):
    """Exit 1: the others are done. Results on stdout, remarks on stderr."""
    ended = predict(holiday)
    assert ended.code == 1
    assert [line.split("holiday")[1][1:] for line in ended.out.splitlines() if "holiday" in line] == [
        "blue.png  blue 1.00",
        "green.png  green 1.00",
        "red.png  red 1.00",
        "torn.jpg  not read: not a picture in a format that Eyebright reads "
        "(jpeg, png, gif, webp, bmp, tiff, avif, heif).",
    ]
    assert ended.err.splitlines() == [
        "1 file that is no picture or video was left out.",
        "1 of 4 could not be read.",
    ]


def test_json_is_one_object_a_line(predict, holiday):
    """For programs."""
    found = rows(predict(holiday, "--format", "json"))
    assert [row.get("summary", {}).get("label") for row in found] == ["blue", "green", "red", None]
    assert found[3] == {"source": str(holiday / "torn.jpg"), "error": found[3]["error"]}
    assert found[3]["error"]["kind"] == "bad_picture"


def test_csv_is_a_table(predict, holiday):
    """For spreadsheets: one header, a row a picture."""
    table = list(csv.DictReader(io.StringIO(predict(holiday, "--format", "csv").out)))
    assert [row["summary"] for row in table] == ["blue", "green", "red", ""]
    assert table[0]["summary_id"] == "c-blue"
    assert float(table[0]["summary_score"]) > 0.99
    assert table[0]["labels"].startswith("blue=1.0000;")
    assert table[3]["error"].startswith("not a picture")
    assert table[3]["source"] == str(holiday / "torn.jpg")


def test_plain_is_a_sentence_a_picture(predict, holiday):
    """To be read aloud."""
    ended = predict(holiday, "--plain")
    assert ended.out.splitlines()[0] == (
        f"{holiday / 'blue.png'}: blue, 100% sure. Scores: blue 100%, green 0%, red 0%."
    )
    assert ended.out.splitlines()[3].startswith(f"{holiday / 'torn.jpg'}: not read: not a picture")
    assert "█" not in ended.out


def test_a_pattern_in_quotes_is_resolved(predict, holiday):
    """Windows shells leave patterns alone."""
    found = rows(predict(holiday / "*e*.png", "--format", "json"))
    assert [row["summary"]["label"] for row in found] == ["blue", "green", "red"]
    assert predict(holiday / "r*.png").code == 0


def test_top_and_threshold(predict, tmp_path):
    """How many labels, and how sure."""
    (tmp_path / "mud.png").write_bytes(encoded(plain((128, 120, 0))))
    (row,) = rows(predict("mud.png", "--format", "json", "--top", 1, "--threshold", 0.55))
    assert len(row["labels"]) == 1
    assert row["summary"]["label"] == "red"
    assert row["summary"]["threshold"] == 0.55
    (row,) = rows(predict("mud.png", "--format", "json", "--threshold", 0.9))
    assert row["summary"]["label"] == "warm"
    (tmp_path / "gray.png").write_bytes(encoded(plain((99, 99, 99))))
    (row,) = rows(predict("gray.png", "--format", "json", "--threshold", 0.9))
    assert (row["summary"], row["reason"]) == (None, "unsure")
    assert "gray.png  not sure\n" in predict("gray.png", "--threshold", 0.9).out


def test_no_parents_leaves_them_out_everywhere(predict, tmp_path):
    """The key stays, so that a reader need not ask."""
    (tmp_path / "mud.png").write_bytes(encoded(plain((128, 128, 0))))
    (row,) = rows(predict("mud.png", "--format", "json", "--no-parents"))
    assert row["parents"] == []
    assert "  warm" in predict("mud.png").out.split("\n", 1)[1]
    assert "  warm" not in predict("mud.png", "--no-parents").out.split("\n", 1)[1]


def test_none_of_these_is_said_by_a_model_that_knows_when(predict, tmp_path):
    """Gray is no color."""
    (tmp_path / "gray.png").write_bytes(encoded(plain((99, 99, 99))))
    (row,) = rows(predict("gray.png", "--format", "json", "--none-of-these"))
    assert (row["summary"], row["reason"]) == (None, "none_of_these")
    assert "gray.png  none of the labels that this model knows" in predict("gray.png", "--none-of-these").out


def test_every_frame_of_an_animation(predict, tmp_path):
    """The first alone, or all with their times."""
    (tmp_path / "lights.gif").write_bytes(animation("red", "green", "blue"))
    assert len(rows(predict("lights.gif", "--format", "json"))) == 1
    found = rows(predict("lights.gif", "--format", "json", "--frames"))
    assert [(row["time_s"], row["summary"]["label"]) for row in found] == [(0, "red"), (0.5, "green"), (1, "blue")]
    assert "lights.gif 0:00.5  green" in predict("lights.gif", "--frames").out


@needs_av
def test_a_video_is_told_in_frames_or_stretches(predict, tmp_path):
    """--every says how often it is looked at, --summarize gathers."""
    video(tmp_path / "film.mp4", "red", "blue", seconds_each=2)
    assert len(rows(predict("film.mp4", "--format", "json"))) == 4
    assert len(rows(predict("film.mp4", "--format", "json", "--every", "500ms"))) == 8
    found = rows(predict("film.mp4", "--format", "json", "--summarize", "--every", "5"))
    assert [row["summary"]["label"] for row in found if row["summary"]] == ["red", "blue"]
    assert found[0]["start_s"] == 0
    assert predict("film.mp4", "--summarize").out.startswith("film.mp4 0:00.0-")


def test_a_picture_on_standard_input(eyebright_process, colors):
    """`curl ... | eyebright predict -`."""
    ended = eyebright_process("predict", "-", "--model", colors, "--format", "json", input=encoded(plain("red")))
    assert ended.returncode == 0
    row = json.loads(ended.stdout)
    assert (row["source"], row["summary"]["label"]) == ("-", "red")


def test_empty_standard_input_is_an_error(eyebright_process, colors):
    """One that names it."""
    ended = eyebright_process("predict", "-", "--model", colors)
    assert ended.returncode == 1
    assert ended.stdout.decode() == "-  not read: the file is empty.\n"


def test_a_file_takes_its_form_from_its_name(predict, holiday, tmp_path):
    """.jsonl and .json, .csv, else text; nothing is left on the screen, nothing beside the file."""
    for name, start in (("a.jsonl", "{"), ("a.json", "{"), ("a.csv", "source,"), ("a.txt", str(holiday))):
        ended = predict(holiday / "red.png", "--output", name)
        assert (ended.code, ended.out) == (0, "")
        assert (tmp_path / name).read_text().startswith(start)
    assert not list(tmp_path.glob("*.partial"))


def test_a_file_that_exists_is_kept_without_force(predict, holiday, tmp_path):
    """Nothing that a user owns is overwritten."""
    (tmp_path / "a.csv").write_text("mine")
    ended = predict(holiday / "red.png", "-o", "a.csv")
    assert ended.code == 2
    assert ended.err == "eyebright: a.csv exists; --force overwrites it, --resume goes on with it.\n"
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert predict(holiday / "red.png", "-o", "a.csv", "--force").code == 0
    assert (tmp_path / "a.csv").read_text().startswith("source,")


def test_a_link_stays_a_link(predict, holiday, tmp_path):
    """Its target is what is written."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.csv").write_text("old")
    (tmp_path / "a.csv").symlink_to(tmp_path / "there" / "a.csv")
    assert predict(holiday / "red.png", "-o", "a.csv", "--force").code == 0
    assert (tmp_path / "a.csv").is_symlink()
    assert (tmp_path / "there" / "a.csv").read_text().startswith("source,")


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices")
def test_a_device_is_written_to_and_never_replaced(predict, holiday):
    """As root, renaming over /dev/null would break the machine."""
    import os
    import stat

    for device in ("/dev/null", "/dev/full"):
        ended = predict(holiday / "red.png", "-o", device)
        assert stat.S_ISCHR(os.stat(device).st_mode)
        assert not os.path.exists(f"{device}.partial")
        assert ended.code == (2 if device == "/dev/full" else 0)


def test_names_are_told_as_they_are_and_command_no_terminal(predict, tmp_path):
    """A new line, an emoji, an escape code: JSON has them, text shows them, CSV quotes them."""
    folder = tmp_path / "odd"
    folder.mkdir()
    names = ["Grüße 🎉.png", 'quote",.png', "two\nlines.png", "red \x1b[31m.png"]
    for name in names:
        (folder / name).write_bytes(encoded(plain("red")))
    found = {row["source"] for row in rows(predict(folder, "--format", "json"))}
    assert found == {str(folder / name) for name in names}
    text = predict(folder).out
    assert r"two\nlines.png  red 1.00" in text
    assert r"red \x1b[31m.png  red 1.00" in text
    assert "Grüße 🎉.png  red 1.00" in text
    assert len(predict(folder, "--plain").out.splitlines()) == 4
    table = tmp_path / "a.csv"
    assert predict(folder, "-o", table).code == 0
    with table.open(newline="") as file:
        assert {row["source"] for row in csv.DictReader(file)} == found


def test_a_name_that_is_no_utf8_ends_no_run(eyebright_process, colors, tmp_path):
    """In every form, and in any language setting."""
    import os

    try:
        with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as file:
            file.write(encoded(plain("red")))
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    for form in ("text", "json", "csv"):
        for locale in ("C.UTF-8", "POSIX"):
            environment = {**os.environ, "LC_ALL": locale}
            ended = eyebright_process("predict", ".", "--model", colors, "--trust", "--format", form, env=environment)
            assert ended.returncode == 0, ended.stderr
            assert rb"caf\xe9.png".replace(b"\\", b"\\\\" if form == "json" else b"\\") in ended.stdout
    ended = eyebright_process("predict", b"caf\xe9.jpg")
    assert ended.returncode == 2
    assert rb"caf\xe9.jpg" in ended.stderr
    ended = eyebright_process("embed", ".", "--model", colors, "--trust", "-o", "a.npz")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("arguments", [["--parents", "--plain"], ["--megapixels", "1"], ["--batch", "1"]])
def test_options_that_change_no_answer(predict, holiday, arguments):
    """They are accepted."""
    assert predict(holiday / "red.png", *arguments).code == 0


def test_a_large_picture_is_refused_with_the_option_that_raises_the_limit(predict, tmp_path):
    """The sentence says what to do."""
    (tmp_path / "large.png").write_bytes(encoded(plain("red", 1001, 1001)))
    ended = predict("large.png", "--megapixels", 1)
    assert ended.code == 1
    assert "1,001 x 1,001 pixels are over the limit of 1 megapixels (--megapixels)" in ended.out
