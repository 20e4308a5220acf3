"""Archives are read in place, the same as a folder; hostile ones end in a sentence before they cost anything."""

import io
import os
import pickle
import struct
import tarfile
import threading
import tracemalloc
import zipfile

import pytest

from data.making import KINDS, made, picture, pictures, said, tarred, zipped
from eyebright.data import Dataset, stores, tars, zips
from eyebright.errors import BadPicture, BadRequest

PETS = {f"pets/{name}": content for name, content in pictures("cat/1.png", "cat/2.png", "dog/1.png").items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_reads_the_same_in_a_folder_and_in_any_archive(tmp_path, kind):
    """Packing changes nothing of what is in it: names, labels, splits, bytes."""
    plain = Dataset.read(made("folder", tmp_path, PETS))
    packed = Dataset.read(made(kind, tmp_path, PETS))
    assert packed.content_hash == plain.content_hash
    assert packed.items == plain.items
    assert [packed.identity(item) for item in packed.items] == [plain.identity(item) for item in plain.items]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_of_zip_is_unpacked(tmp_path, method):
    """Also in pieces, for those that cannot be told to stop."""
    files = {**PETS, "pets/dog/large.png": picture(9, 100, 90)}
    dataset = Dataset.read(zipped(tmp_path / "pets.zip", files, method))
    sizes = {item.name: dataset.picture(item).size for item in dataset.items}
    assert sizes["dog/large.png"] == (100, 90)


def test_times_in_names_are_no_drives(tmp_path):
    """A colon after one letter is; cameras write others."""
    names = ("cat/12:30.png", "cat/2.png", "dog/1.png", "12:30/1.png")
    assert set(said(Dataset.read(zipped(tmp_path / "a.zip", pictures(*names))))) == set(names)


def test_members_that_begin_here_are_not_hidden(tmp_path):
    """`tar -c .` writes ./ before each name."""
    for pack in (zipped, tarred):
        dataset = Dataset.read(pack(tmp_path / "here", {f"./{name}": data for name, data in PETS.items()}))
        assert len(dataset.items) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_many_threads_read_at_once(tmp_path, kind):
    """The loader of a training run does; each gets what it asked for."""
    files = pictures(*(f"{label}/{number}.png" for label in "ab" for number in range(20)))
    dataset = Dataset.read(made(kind, tmp_path, files))
    wrong = []

    def read_all():
        wrong.extend(item.name for item in dataset.items if dataset.store.read(item.name) != files[item.name])

    threads = [threading.Thread(target=read_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_an_archive_is_its_bytes_say(tmp_path):
    """Downloads lose their endings."""
    os.rename(tarred(tmp_path / "pets.tar.gz", PETS, "gz"), tmp_path / "pets")
    assert len(Dataset.read(tmp_path / "pets").items) == 3


def test_long_and_foreign_names_in_a_tar_are_read(tmp_path):
    """Over 100 letters, tar has two ways to write them."""
    files = {f"cat/{'ü' * 80}/{'x' * 120}.png": picture(1), "dog/1.png": picture(2), "dog/2.png": picture(3)}
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / f"{form}.tar", "w", format=form) as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        assert set(said(Dataset.read(tmp_path / f"{form}.tar"))) == set(files)


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "cat/../../x.png", "C:/x.png", "..\\x.png"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_outside_is_refused(tmp_path, pack, name):
    """Nothing would be written there; but who makes such an archive means harm, or made a mistake."""
    with pytest.raises(BadRequest, match=r"lies outside the archive"):
        Dataset.read(pack(tmp_path / "pets", {**PETS, name: picture()}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    """They could lead to any file of this machine."""
    path = tarred(tmp_path / "pets.tar", PETS)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("cat/3.png")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(BadRequest, match=r"cat/3.png is a link or device"):
        Dataset.read(path)


def test_a_link_in_a_zip_is_refused(tmp_path):
    """A zip has them as files with a kind."""
    path = zipped(tmp_path / "pets.zip", PETS)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("cat/3.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadRequest, match=r"cat/3.png is a link or device"):
        Dataset.read(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    """A megabyte of packed zeros is a gigabyte; its directory says so."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for label in ("cat", "dog"):
            with archive.open(f"{label}/1.png", "w") as file:
                for _ in range(60):
                    file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(BadRequest, match=r"0.1 MB that unpack to 126 MB are no pictures \(a zip bomb\?\)"):
        Dataset.read(path)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("name", ["cat/3.png", ".hidden"])
def test_a_tar_bomb_is_refused_before_it_is_unpacked(tmp_path, packing, name, monkeypatch):
    """Nothing over the budget is kept, or even skipped."""
    monkeypatch.setattr(tars, "KEPT_BYTES", 1_000_000)
    path = tarred(tmp_path / "bomb.tar", {**PETS, name: bytes(1_100_000)}, packing)
    with pytest.raises(BadRequest, match=r"it unpacks to over 1 MB, too much to keep in memory; unpack it"):
        Dataset.read(path)


def test_a_packed_member_that_grows_more_than_it_said_is_cut(tmp_path):
    """The directory claims 100 bytes; the member unpacks to far more, and is never held."""
    path = zipped(tmp_path / "pets.zip", {**PETS, "pets/dog/2.png": bytes(80_000_000)}, zipfile.ZIP_LZMA)
    data = path.read_bytes().replace(struct.pack("<I", 80_000_000), struct.pack("<I", 100))
    path.write_bytes(data)
    dataset = Dataset.read(path)
    (item,) = (item for item in dataset.items if item.name == "dog/2.png")
    tracemalloc.start()
    with pytest.raises(BadPicture, match=r"dog/2.png: "):
        dataset.picture(item)
    assert tracemalloc.get_traced_memory()[1] < 75e6
    tracemalloc.stop()


@pytest.mark.parametrize("far", [False, True])
def test_a_directory_that_says_it_is_huge_is_not_read(tmp_path, far):
    """Python would take ten times as much memory for it."""
    path = zipped(tmp_path / "pets.zip", PETS)
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\5\6")
    if far:  # zip64: a record and where it is, before the end
        record = b"PK\6\6" + bytes(36) + struct.pack("<QQ", 1 << 40, 0)
        data[at:at] = record + b"PK\6\7" + bytes(16)
        at += 76
    struct.pack_into("<I", data, at + 12, 0xFFFFFFFF if far else 1 << 31)
    path.write_bytes(data)
    with pytest.raises(BadRequest, match="more than 2,000,000 files"):
        Dataset.read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_data_set_can_be_sent_to_another_process(tmp_path, kind):
    """No store keeps a file open, in which parent and child would move the same place."""
    dataset = Dataset.read(made(kind, tmp_path, PETS))
    sent = pickle.loads(pickle.dumps(dataset))
    assert [sent.identity(item) for item in sent.items] == [dataset.identity(item) for item in dataset.items]


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tar.gz"])
def test_too_many_files_are_refused(tmp_path, kind, monkeypatch):
    """Names alone can fill the memory."""
    for module in (stores, tars, zips):
        monkeypatch.setattr(module, "MAX_FILES", 2)
    with pytest.raises(BadRequest, match=r"more than 2 files"):
        Dataset.read(made(kind, tmp_path, PETS))


@pytest.mark.parametrize("kind", KINDS[1:])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_broken_archive_is_said_to_be_broken(tmp_path, kind, share):
    """A download that stopped: half a set must not pass for a whole one."""
    files = {f"{label}/{number}.png": picture(number, 40, 40) for label in "ab" for number in range(5)}
    path = made(kind, tmp_path, files)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadRequest, match=r"the archive is broken"):
        Dataset.read(path)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_what_is_taken_away_while_it_is_used_is_an_error_of_the_picture(tmp_path, kind):
    """A memory stick that was pulled out."""
    dataset = Dataset.read(made(kind, tmp_path, PETS))
    os.rename(dataset.store.path, tmp_path / "gone")
    with pytest.raises(BadPicture, match=r"cat/1.png: .*[Nn]o such file or directory\)?\.$"):
        dataset.picture(dataset.items[0])


def test_an_encrypted_picture_is_named(tmp_path):
    """Eyebright asks for no passwords."""
    path = zipped(tmp_path / "pets.zip", PETS, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    dataset = Dataset.read(path)
    with pytest.raises(BadPicture, match=r"cat/1.png: it is encrypted"):
        dataset.picture(dataset.items[0])


def test_a_damaged_member_is_an_error_of_that_picture(tmp_path):
    """The others are read."""
    path = zipped(tmp_path / "pets.zip", PETS, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.find(b"IDAT") + 20] ^= 255
    path.write_bytes(data)
    dataset = Dataset.read(path)
    with pytest.raises(BadPicture, match=r"cat/1.png: it cannot be unpacked \(Bad CRC"):
        dataset.picture(dataset.items[0])
    assert dataset.picture(dataset.items[1])
