"""Small data sets, in a folder or in an archive."""

import io
import tarfile
import zipfile

from pictures import encoded, noise

KINDS = ("folder", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz")


def picture(seed=0, width=8, height=8):
    """A PNG like no other."""
    return encoded(noise(width, height, seed))


def pictures(*names):
    """Name -> a PNG of its own."""
    return {name: picture(seed) for seed, name in enumerate(names)}


def folder(path, files):
    """Files by their name, with `/`, below a folder."""
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files, packing=""):
    with tarfile.open(path, f"w:{packing}") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def made(kind, where, files):
    """The same files in a folder, or in an archive of a kind, called `set`."""
    if kind == "folder":
        return folder(where / "set", files)
    path = where / f"set.{kind}"
    return zipped(path, files) if kind == "zip" else tarred(path, files, kind.partition(".")[2])


def said(dataset):
    """What a data set says of each of its items: labels and split by name."""
    names = [label.label for label in dataset.labels]
    return {item.name: (tuple(names[at] for at in item.labels), item.split) for item in dataset.items}
