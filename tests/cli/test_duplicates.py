"""`eyebright duplicates`: what is shown, and what is written for a person to run."""

import json
import os
import subprocess

import pytest

from pictures import encoded, opened

ODD = "-rf *;\n$(touch x) 'a' copy.jpg"
"""A name that a careless script would trip over."""


@pytest.fixture
def coffee(photos):
    return opened(photos / "coffee.jpg").convert("RGB")


@pytest.fixture
def family(eyebright, coffee, colors, monkeypatch, tmp_path):
    """`eyebright` with a library of two copies of coffee."""
    monkeypatch.setenv("EYEBRIGHT_LIBRARY", str(tmp_path / "library"))
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "coffee.jpg").write_bytes(encoded(coffee, "JPEG", quality=92))
    (tmp_path / "holiday" / ODD).write_bytes(encoded(coffee.resize((300, 200)), "JPEG"))
    assert eyebright("index", "holiday", "--model", colors, "--trust").code == 0
    return eyebright


def test_copies_are_shown_with_the_one_to_keep_and_why(family, coffee, tmp_path):
    ended = family("duplicates")
    keep, other, count, wrong = ended.out.splitlines()
    assert keep == f"keep       {tmp_path}/holiday/coffee.jpg  (the largest, {coffee.width} x {coffee.height})"
    assert other.endswith("(resized)")
    assert count == "Copies: 1. Groups: 1."
    assert "eyebright correct --not-same A B" in wrong
    assert (ended.code, ended.err) == (0, "")


def test_json_is_one_group_a_line(family, tmp_path):
    (group,) = (json.loads(line) for line in family("duplicates", "--format", "json").out.splitlines())
    assert group["keep"].endswith("coffee.jpg")
    assert [(one["how"], one["spare"]) for one in group["others"]] == [(["resized"], True)]
    family("duplicates", "--format", "json", "-o", "copies.jsonl")
    assert json.loads((tmp_path / "copies.jsonl").read_text()) == group


def test_what_is_not_the_same_is_not_shown_again(family):
    assert family("correct", "--not-same", "holiday/coffee.jpg", f"holiday/{ODD}").code == 0
    assert family("duplicates").out == "Copies: 0. Groups: 0.\n"


def test_nothing_is_moved_until_the_script_is_run(family, tmp_path):
    holiday = tmp_path / "holiday"
    assert family("duplicates", "--script", "tidy.sh", "--to", "away ' it").code == 0
    assert sorted(os.listdir(holiday)) == sorted([ODD, "coffee.jpg"])
    (tmp_path / "away ' it").mkdir()
    (tmp_path / "away ' it" / ODD).write_text("is here already")
    subprocess.run(["sh", "tidy.sh"], check=True, cwd=tmp_path)
    assert os.listdir(holiday) == ["coffee.jpg"]
    assert sorted(os.listdir(tmp_path / "away ' it")) == sorted([ODD, f"2-{ODD}"])
    assert not (tmp_path / "x").exists()
    again = subprocess.run(["sh", "tidy.sh"], check=True, cwd=tmp_path, capture_output=True, text=True)
    assert again.stderr.startswith("left: ")


def test_a_copy_stays_when_the_one_to_keep_is_gone(family, tmp_path):
    family("duplicates", "--script", "tidy.sh", "--to", "away")
    (tmp_path / "holiday" / "coffee.jpg").unlink()
    subprocess.run(["sh", "tidy.sh"], check=True, cwd=tmp_path, capture_output=True)
    assert os.listdir(tmp_path / "holiday") == [ODD]


def test_the_trash_is_where_the_system_has_it(family, tmp_path):
    family("duplicates", "--script", "tidy.sh")
    (tmp_path / "bin").mkdir()
    for name in ("mkdir", "mv"):  # and no gio
        (tmp_path / "bin" / name).symlink_to(f"/bin/{name}")
    where = {"PATH": str(tmp_path / "bin"), "XDG_DATA_HOME": str(tmp_path / "data"), "HOME": str(tmp_path)}
    subprocess.run(["/bin/sh", "tidy.sh"], check=True, cwd=tmp_path, env=where)
    assert os.listdir(tmp_path / "data" / "Trash" / "files") == [ODD]


def test_paths_are_listed_for_other_programs(family, tmp_path):
    family("duplicates", "--list", "paths")
    assert (tmp_path / "paths").read_bytes() == os.fsencode(tmp_path / "holiday" / ODD) + b"\0"


def test_a_file_that_went_is_a_remark(family, tmp_path):
    (tmp_path / "holiday" / "coffee.jpg").unlink()
    ended = family("duplicates")
    assert (ended.code, ended.out) == (1, "Copies: 0. Groups: 0.\n")
    assert ended.err.endswith("coffee.jpg: no such file or directory.\n")


def test_what_exists_is_not_overwritten(family, tmp_path):
    (tmp_path / "tidy.sh").write_text("mine")
    ended = family("duplicates", "--script", "tidy.sh")
    assert (ended.code, "exists" in ended.err) == (2, True)
    assert family("duplicates", "--to", "away").err.startswith("eyebright: --to is where the script")


def test_one_file_is_not_written_twice(family, tmp_path):
    ended = family("duplicates", "--script", "tidy.sh", "--list", "./tidy.sh")
    assert (ended.code, "different files" in ended.err) == (2, True)
    assert not (tmp_path / "tidy.sh").exists()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_name_that_is_no_text_is_written_as_its_bytes_read(family, coffee, colors, tmp_path, form):
    odd = os.fsencode(tmp_path / "holiday") + b"/\xff.jpg"
    with open(odd, "wb") as file:
        file.write(encoded(coffee, "JPEG", quality=40))
    assert family("index", "holiday", "--model", colors, "--trust").code == 0
    assert family("duplicates", "--format", form, "-o", "copies").code == 0
    assert "\\xff.jpg" in (tmp_path / "copies").read_text().replace("\\\\", "\\")
