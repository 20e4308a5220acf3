"""What a person points at: files, folders, patterns, standard input."""

import io
import os

import pytest

from eyebright import images
from eyebright.errors import BadRequest
from eyebright.recognize import sources
from eyebright.recognize.sources import Movie, Sources, Still, count, expand, name_of
from pictures import encoded, noise

PICTURE = encoded(noise(8, 8))


def make(folder, *names, data=PICTURE):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def names(items):
    return [item.source for item in items]


def test_a_folder_is_walked_in_the_order_of_names_without_hidden_files(tmp_path):
    """The same order on every machine, so that two runs can be compared."""
    make(tmp_path, "b.png", "a.png", "sub/c.png", ".hidden.png", ".git/d.png", "._a.png")
    found = names(Sources([str(tmp_path)]))
    assert [os.path.relpath(name, tmp_path) for name in found] == ["a.png", "b.png", os.path.join("sub", "c.png")]


def test_bytes_or_name_make_a_picture_and_the_rest_is_counted(tmp_path):
    """A photo without extension is tried by its bytes, a broken .jpg by its name."""
    make(tmp_path, "photo", "broken.jpg", "notes.txt", "clip.mp4", "film")
    (tmp_path / "broken.jpg").write_bytes(b"?")
    (tmp_path / "notes.txt").write_bytes(b"dear diary")
    (tmp_path / "film").write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isommp41")
    (tmp_path / "clip.mp4").write_bytes(b"")
    items = Sources([str(tmp_path)])
    found = list(items)
    assert [os.path.basename(item.source) for item in found] == ["broken.jpg", "clip.mp4", "film", "photo"]
    assert [type(item) for item in found] == [Still, Still, Movie, Still]
    assert (items.others, items.taken) == (1, 4)
    assert count([str(tmp_path), "x"]) == 3


def test_what_is_named_is_always_tried(tmp_path):
    """Whoever names a file means it."""
    make(tmp_path, "notes.txt", ".hidden.png", data=b"dear diary")
    assert len(list(Sources([str(tmp_path / "notes.txt"), str(tmp_path / ".hidden.png")]))) == 2


def test_a_circle_of_links_ends(tmp_path):
    """A link to a folder is not followed."""
    make(tmp_path, "a.png")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(list(Sources([str(tmp_path)]))) == 1
    assert count([str(tmp_path)]) == 1


def test_a_link_to_a_photo_is_a_photo_and_a_broken_one_is_tried(tmp_path):
    """So that it is reported."""
    make(tmp_path / "there", "a.png")
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "good.png").symlink_to(tmp_path / "there" / "a.png")
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert [os.path.basename(item.source) for item in Sources([str(folder)])] == ["gone.png", "good.png"]


def test_a_pattern_is_resolved_and_a_name_with_brackets_is_a_name(tmp_path):
    """Cameras and people write brackets into names; shells on Windows leave patterns alone."""
    make(tmp_path, "a1.png", "a2.png", "b.png", "a[1].png", "deep/er/c.png")
    assert len(expand([str(tmp_path / "a?.png")])) == 2
    assert expand([str(tmp_path / "a[1].png")]) == [str(tmp_path / "a[1].png")]
    assert str(tmp_path / "deep" / "er" / "c.png") in expand([str(tmp_path / "**" / "*.png")])


def test_what_is_missing_is_named_with_what_was_perhaps_meant(tmp_path):
    """The first sentence of help."""
    make(tmp_path, "holiday.jpg")
    with pytest.raises(BadRequest, match=r"no such file or folder: .*holidya.jpg; did you mean .*holiday.jpg\?"):
        expand([str(tmp_path / "holidya.jpg")])
    with pytest.raises(BadRequest, match=r"nothing matches .*\*.gif"):
        expand([str(tmp_path / "*.gif")])
    with pytest.raises(BadRequest, match=r"no such file or folder: /no/where$"):
        expand(["/no/where"])


def test_a_name_that_is_no_utf8_can_be_printed_and_opened(tmp_path):
    """Old discs and cameras have such names; a byte of it must not end the run."""
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    try:
        with open(path, "wb") as file:
            file.write(PICTURE)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (item,) = Sources([str(tmp_path)])
    assert item.source.endswith(r"caf\xe9.png")
    item.source.encode()
    assert images.read_file(item.content) == PICTURE
    assert name_of("Grüße 🎉.jpg") == "Grüße 🎉.jpg"


def test_standard_input_is_a_source_only_where_somebody_offers_it(tmp_path, monkeypatch):
    """In Python "-" is a file name like any other."""
    (item,) = Sources(["-"], io.BytesIO(PICTURE))
    assert (item.source, item.content) == ("-", PICTURE)
    (item,) = Sources(["-"])
    assert item.content == "-"
    with pytest.raises(BadRequest, match="no such file or folder: -"):
        expand(["-"])
    assert expand(["-"], has_stdin=True) == ["-"]


def test_standard_input_without_end_is_cut_at_the_limit(monkeypatch):
    """`cat /dev/zero | eyebright predict -` must not take all memory."""
    monkeypatch.setattr(sources, "LIMITS", images.Limits(file_bytes=1000))
    with open("/dev/zero", "rb") as zeros:
        (item,) = Sources(["-"], zeros)
    assert len(item.content) == 1001


def test_what_an_earlier_run_has_done_is_left_out(tmp_path):
    """For --resume."""
    make(tmp_path, "a.png", "b.png")
    assert names(Sources([str(tmp_path)], done=frozenset({str(tmp_path / "a.png")}))) == [str(tmp_path / "b.png")]


def test_watching_gives_a_file_once_it_has_stopped_growing(tmp_path):
    """A photo that is still being copied is half a photo."""
    make(tmp_path, "old.png")
    found = sources.watch([str(tmp_path)], poll_s=0)
    assert next(found) == []
    new = tmp_path / "new.png"
    for size in (0, 0, 20, 40, len(PICTURE)):
        new.write_bytes(PICTURE[:size])
        assert next(found) == []
    assert next(found) == [str(new)]
    assert next(found) == []
    (tmp_path / "notes.txt").write_text("dear diary")
    make(tmp_path, "sub/deep.png")
    assert next(found) == []
    assert next(found) == [str(tmp_path / "sub" / "deep.png")]
    new.unlink()
    assert next(found) == []
    make(tmp_path, "new.png")
    assert next(found) == []
    assert next(found) == [str(new)]
