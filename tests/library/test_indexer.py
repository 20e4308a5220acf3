"""Folders into a library: new, changed, moved, gone, broken, and what a person said of them."""

import errno
import inspect
import os
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from eyebright import images
from eyebright.errors import BadRequest, CannotWrite
from eyebright.library import Library, decisions, identity, indexer, walk
from eyebright.library.decisions import Said
from eyebright.library.indexer import alone, index
from eyebright.library.photos import about, identity_of, status
from pictures import color_recognizer, encoded, noise, plain, turned, video


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    for number, color in enumerate(("red", "green", "blue")):
        (folder / "trip" / f"{color}.jpg").write_bytes(encoded(plain(color, 60 + number), "JPEG"))
    (folder / "noise.png").write_bytes(encoded(noise()))
    (folder / "notes.txt").write_text("not a picture")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return folder


@pytest.fixture(scope="module")
def recognizer():
    return color_recognizer()


def shipped(name):
    return Path(__file__).parents[1] / "photos" / name


def names(library, where="gone = 0 AND photo IS NOT NULL"):
    return {os.path.basename(path) for (path,) in library.rows(f"SELECT path FROM file WHERE {where}")}


def test_a_folder_is_looked_at_once(library, photos, recognizer):
    first = index(library, [photos], recognizer)
    assert (first.new, first.same, first.others) == (4, 0, 1)
    assert [os.path.basename(path) for path, _ in first.unreadable] == ["broken.jpg"]
    again = index(library, [photos], recognizer)
    assert (again.new, again.looked, again.same) == (0, 0, 6)
    assert names(library) == {"red.jpg", "green.jpg", "blue.jpg", "noise.png"}


def test_what_the_model_says_is_kept(library, photos, recognizer):
    index(library, [photos], recognizer)
    said = dict(
        library.rows(
            "SELECT path, label FROM file JOIN label USING (photo) JOIN model ON model.id = model "
            "WHERE label NOT LIKE 'c-warm' GROUP BY path HAVING max(score)"
        )
    )
    assert said[str(photos / "trip" / "red.jpg")] == "c-red"


def test_a_file_that_moved_is_known_again(library, photos, recognizer):
    index(library, [photos], recognizer)
    before = dict(library.rows("SELECT identity, id FROM photo"))
    shutil.move(photos / "trip", photos / "journey")
    done = index(library, [photos], recognizer)
    assert (done.new, done.moved, done.gone) == (0, 3, 0)
    assert dict(library.rows("SELECT identity, id FROM photo")) == before


def test_what_was_said_follows_a_photo_that_is_turned_renamed_and_seen_by_another_model(library, photos, recognizer):
    index(library, [photos], recognizer)
    (said,) = library.rows("SELECT identity FROM photo JOIN file ON file.photo = photo.id WHERE path LIKE '%red.jpg'")
    decisions.record(library, [Said("is", said[0], label="Rex")])
    red = photos / "trip" / "red.jpg"
    red.write_bytes(turned(plain("red", 60), 1, "JPEG"))  # now with EXIF
    red.rename(photos / "dog.jpg")
    index(library, [photos], color_recognizer(sharp=9.0))
    rex = "SELECT id FROM photo WHERE identity IN (SELECT photo FROM said WHERE label = 'Rex' AND holds)"
    found = list(library.rows(f"SELECT path FROM file WHERE NOT gone AND photo IN ({rex})"))
    assert found == [(str(photos / "dog.jpg"),)]


def test_what_is_gone_is_marked_and_comes_back(library, photos, recognizer):
    index(library, [photos], recognizer)
    hidden = photos / "noise.png"
    data = hidden.read_bytes()
    status = hidden.stat()
    hidden.unlink()
    assert index(library, [photos], recognizer).gone == 1
    assert names(library, "gone") == {"noise.png"}
    hidden.write_bytes(data)
    os.utime(hidden, ns=(status.st_atime_ns, status.st_mtime_ns))
    index(library, [photos], recognizer)
    assert names(library, "gone") == set()


def test_a_disk_that_is_not_connected_takes_nothing_away(library, photos, recognizer, tmp_path):
    index(library, [photos], recognizer)
    shutil.move(photos, tmp_path / "elsewhere")
    with pytest.raises(BadRequest, match="is its disk connected"):
        index(library, [photos], recognizer)
    photos.mkdir()
    with pytest.raises(BadRequest, match="knows 6 files there"):
        index(library, [photos], recognizer)
    assert names(library, "gone") == set()
    assert index(library, [photos], recognizer, emptied=True).gone == 4


def test_a_broken_file_is_tried_again_when_it_changes(library, photos, recognizer):
    index(library, [photos], recognizer)
    (photos / "broken.jpg").write_bytes(encoded(plain("blue"), "JPEG"))
    done = index(library, [photos], recognizer)
    assert (done.changed, done.unreadable) == (1, [])
    assert "broken.jpg" in names(library)


def test_a_stop_loses_nothing_that_was_written(library, photos, recognizer, monkeypatch):
    monkeypatch.setattr(indexer, "COMMIT_FILES", 1)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index(library, [photos], recognizer, tell=stop)
    assert status(library)["stopped"]
    rest = index(library, [photos], recognizer)
    assert not status(library)["stopped"]
    assert rest.same == 2
    assert rest.looked + rest.others == 4


def test_a_file_that_may_still_grow_is_left_for_the_next_run(library, photos, recognizer):
    (photos / "noise.png").touch()
    for path in (path for path in photos.rglob("*") if path.name != "noise.png"):
        os.utime(path, (1e9, 1e9))
    assert index(library, [photos], recognizer, settled_s=60).new == 3
    assert "noise.png" not in names(library)
    assert index(library, [photos], recognizer).new == 1


def test_two_runs_at_once_are_refused(library, photos, recognizer, tmp_path):
    with alone(library), Library(tmp_path / "library") as other, pytest.raises(CannotWrite, match="indexed already"):
        index(other, [photos], recognizer)


def test_keywords_in_a_sidecar_are_read_and_read_again(library, photos, recognizer):
    sidecar = photos / "noise.png.xmp"
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmp:Rating="4"><dc:subject><rdf:Bag><rdf:li>{}</rdf:li></rdf:Bag></dc:subject></rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    )
    sidecar.write_text(packet.format("été"))
    index(library, [photos], recognizer)
    assert set(library.rows("SELECT kind, value FROM word")) == {("keyword", "été"), ("rating", "4")}
    sidecar.write_text(packet.format("hiver"))
    os.utime(sidecar, ns=(1, 1))
    assert index(library, [photos], recognizer).changed == 1
    assert set(library.rows("SELECT kind, value FROM word")) == {("keyword", "hiver"), ("rating", "4")}


def test_a_name_that_is_no_text_is_kept_as_it_is(library, photos, recognizer):
    odd = os.fsencode(photos) + b"/caf\xe9.png"
    with open(odd, "wb") as file:
        file.write(encoded(noise(seed=3)))
    index(library, [photos], recognizer)
    assert index(library, [photos], recognizer).looked == 0
    (found,) = library.rows("SELECT path FROM file WHERE path LIKE '%/caf%'")
    assert os.fsencode(found[0]) == odd


def test_a_film_is_seen_by_its_frames(library, tmp_path, recognizer):
    pytest.importorskip("av")
    (tmp_path / "films").mkdir()
    video(tmp_path / "films" / "day.mp4", "red", "blue", seconds_each=6)
    index(library, [tmp_path / "films"], recognizer)
    assert [time for (time,) in library.rows("SELECT time_s FROM embedding ORDER BY time_s")] == [0.0, 5.0, 10.0]
    (tmp_path / "films" / "day.mp4").rename(tmp_path / "films" / "night.mp4")
    assert index(library, [tmp_path / "films"], recognizer).moved == 1
    assert library.rows("SELECT width, height FROM photo").fetchall() == [(64, 64)]
    scores = dict(library.rows("SELECT label, score FROM label"))
    assert scores["c-red"] > 0.9
    assert scores["c-blue"] > 0.9


def test_a_folder_that_cannot_be_listed_is_told_and_its_photos_are_not_gone(library, photos, recognizer, monkeypatch):
    index(library, [photos], recognizer)
    listing = walk.listing

    def closed(folder):
        if str(folder).endswith("trip"):
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr(walk, "listing", closed)
    done = index(library, [photos], recognizer)
    assert done.gone == 0
    assert (str(photos / "trip"), "the folder cannot be listed: permission denied.") in done.unreadable
    assert len(names(library)) == 4


def test_a_disk_that_goes_while_it_is_indexed_takes_no_photo_with_it(library, photos, recognizer, monkeypatch):
    index(library, [photos], recognizer)
    (photos / "noise.png").unlink()
    take = indexer.Here.take

    def unplugged(here, *rest):
        take(here, *rest)
        photos.rename(photos.with_name("elsewhere"))

    monkeypatch.setattr(indexer.Here, "take", unplugged)
    with pytest.raises(BadRequest, match="is its disk connected"):
        index(library, [photos], recognizer)
    assert "noise.png" in names(library)


def test_a_copy_without_metadata_takes_no_date_from_a_photo(library, tmp_path, recognizer):
    folder = tmp_path / "photos"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0110] = "Canon 5D"
    exif.get_ifd(0x8769)[0x9003] = "2021:05:06 10:00:00"
    (folder / "a.jpg").write_bytes(encoded(plain("red", 40), "JPEG", exif=exif))
    (folder / "IMG_20100101_120000.jpg").write_bytes(encoded(plain("red", 40), "JPEG"))
    index(library, [folder], recognizer)
    assert library.rows("SELECT taken, camera FROM photo").fetchall() == [("2021-05-06T10:00:00", "Canon 5D")]


def test_a_name_says_when_where_nothing_else_does(library, tmp_path, recognizer):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "IMG_20100101_120000.jpg").write_bytes(encoded(plain("red", 40), "JPEG"))
    index(library, [tmp_path / "photos"], recognizer)
    assert library.value("SELECT taken FROM photo") == "2010-01-01T12:00:00"


def test_a_sidecar_that_leads_nowhere_takes_no_photo_away(library, photos, recognizer):
    index(library, [photos], recognizer)
    (photos / "noise.png.xmp").symlink_to("/nowhere")
    done = index(library, [photos], recognizer)
    assert (done.gone, done.same) == (0, 6)


def test_what_could_not_be_read_for_a_while_is_tried_again(library, photos, recognizer, monkeypatch):
    with monkeypatch.context() as away:
        away.setattr(indexer.Eyes, "worth", lambda eyes, one: images.read_file(photos / "nothing.png"))
        assert len(index(library, [photos], recognizer).unreadable) == 6
    assert index(library, [photos], recognizer).changed == 4
    assert names(library) == {"red.jpg", "green.jpg", "blue.jpg", "noise.png"}


def test_a_file_that_is_cut_short_is_told_once(library, photos, recognizer):
    """Decoders raise OSErrors, too, and another try would find the same."""
    whole = encoded(noise(seed=1))
    (photos / "short.png").write_bytes(whole[: len(whole) // 2])
    assert str(photos / "short.png") in dict(index(library, [photos], recognizer).unreadable)
    assert index(library, [photos], recognizer).unreadable == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_beside_a_photo_is_not_waited_for(library, photos, recognizer):
    os.mkfifo(photos / "noise.png.xmp")
    assert index(library, [photos], recognizer).new == 4


def test_a_damaged_film_is_not_read_to_its_end(library, folder, recognizer, monkeypatch):
    """Of 20 GB that takes minutes."""
    pytest.importorskip("av")
    video(folder / "day.mp4", "red", seconds_each=2)
    (folder / "night.mp4").write_bytes((folder / "day.mp4").read_bytes()[:64] + bytes(100_000))
    read = []
    of_file = identity.of_file
    monkeypatch.setattr(identity, "of_file", lambda file: read.append(file.name) or of_file(file))
    done = index(library, [folder], recognizer)
    assert [path for path, _ in done.unreadable] == [str(folder / "night.mp4")]
    assert read == [str(folder / "day.mp4")]
    assert index(library, [folder], recognizer).looked == 0


def test_a_film_on_a_disk_that_fails_is_tried_again(library, folder, recognizer, monkeypatch):
    pytest.importorskip("av")
    video(folder / "day.mp4", "red", seconds_each=2)

    def fails(file):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(identity, "of_file", fails)
        assert index(library, [folder], recognizer).unreadable == [(str(folder / "day.mp4"), "input/output error.")]
    assert index(library, [folder], recognizer).changed == 1


def test_folders_deeper_than_calls_may_be(library, tmp_path, recognizer):
    deep = tmp_path.joinpath("photos", *["d"] * 200)
    deep.mkdir(parents=True)
    (deep / "red.png").write_bytes(encoded(plain("red", 40)))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        assert index(library, [tmp_path / "photos"], recognizer).new == 1
    finally:
        sys.setrecursionlimit(limit)


def test_only_the_last_runs_are_kept(library, photos, recognizer, monkeypatch):
    monkeypatch.setattr(indexer, "JOBS", 2)
    for _ in range(4):
        index(library, [photos], recognizer)
    assert library.value("SELECT count(*) FROM job") == 2


def test_another_model_sees_files_that_did_not_change(library, photos, recognizer):
    index(library, [photos], recognizer)
    done = index(library, [photos], color_recognizer(sharp=7))
    assert (done.seen, done.changed, done.same) == (4, 0, 2)


def test_what_follows_from_all_photos_is_found_also_after_a_stop(library, photos, recognizer, monkeypatch):
    for number in range(4):
        picture = plain("red", 60 + number)
        exif = picture.getexif()
        exif[0x0110], exif[0x8769] = "Canon", {0x9003: "2023:07:01 10:00:00"}
        picture.save(photos / f"burst-{number}.jpg", exif=exif)

    def killed(library, folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as then:
        then.setattr(indexer, "stack", killed)
        with pytest.raises(KeyboardInterrupt):
            index(library, [photos], recognizer)
    assert library.value("SELECT count(stack) FROM photo") == 0
    assert index(library, [photos], recognizer).looked == 0
    assert library.value("SELECT count(stack) FROM photo") == 3


@pytest.mark.parametrize("edit", [lambda picture: picture.rotate(90), lambda picture: picture.point(lambda v: v * 0.8)])
def test_what_was_said_goes_over_to_a_picture_that_was_edited_where_it_lies(library, tmp_path, photos, edit):
    """And it is no step that a person took, so undo leaves it alone."""
    path = tmp_path / "photos" / "trip" / "red.jpg"
    shutil.copy(shipped("coffee.jpg"), path)
    index(library, [photos], color_recognizer())
    before = identity_of(library, str(path))
    decisions.record(library, [Said("is", before, label="cup"), Said("in", before, label="trip")])
    picture = Image.open(path).convert("RGB")
    edit(picture).save(path)
    done = index(library, [photos], color_recognizer())
    after = identity_of(library, str(path))
    assert after != before
    assert (done.changed, done.carried) == (1, 1)
    assert about(library, after).said == [("cup", True)]
    assert about(library, after).albums == ["trip"]
    decisions.undo(library)
    assert about(library, after).said == [("cup", True)]
    assert about(library, before).said == []


def test_another_picture_of_that_name_is_another_one(library, photos, recognizer):
    path = photos / "trip" / "red.jpg"
    index(library, [photos], recognizer)
    decisions.record(library, [Said("is", identity_of(library, str(path)), label="cup")])
    path.write_bytes(encoded(noise(seed=3)))
    assert index(library, [photos], recognizer).carried == 0
