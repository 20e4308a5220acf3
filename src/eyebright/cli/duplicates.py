"""`eyebright duplicates`: files of the library that hold one picture."""

import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyebright.cli import options
from eyebright.errors import BadRequest

if TYPE_CHECKING:
    from eyebright.library.duplicates import Found, Group

MOVE = """\
#!/bin/sh
# Written by eyebright duplicates; read it before you run it: sh FILE
# It moves {count:,} files into a folder, where those of one name get a number, or else into the system's trash, and
# deletes nothing. A file whose picture is to be kept under another name stays where it is when that one is gone.
set -eu
folder={folder}
if [ -z "$folder" ] && ! command -v gio >/dev/null; then
    folder=${{XDG_DATA_HOME:-$HOME/.local/share}}/Trash/files
    if [ -d "$HOME/.Trash" ]; then folder=$HOME/.Trash; fi
fi
if [ -n "$folder" ]; then mkdir -p -- "$folder"; fi
move() {{
    if ! [ -f "$1" ] || ! [ -f "$2" ]; then
        printf 'left: %s\\n' "$2" >&2
    elif [ -z "$folder" ]; then
        gio trash -- "$2"
    else
        name=${{2##*/}}
        number=1
        while [ -e "$folder/$name" ]; do
            number=$((number + 1))
            name=$number-${{2##*/}}
        done
        mv -- "$2" "$folder/$name"
    fi
}}
# move KEPT AWAY
"""


@click.command()
@click.option("--bursts", is_flag=True, help="Also the shots of each burst, the best one to be kept.")
@click.option("--script", metavar="FILE", help="Write a shell script that would move what need not be kept.")
@click.option("--to", metavar="FOLDER", help="Where the script moves files to; the system's trash folder otherwise.")
@click.option("--list", "listed", metavar="FILE", help="Write the paths of what need not be kept, each ended by a NUL.")
@options.library
@options.text_or_json
@options.output()
@options.force
@options.threads
@options.plain
def command(
    bursts: bool, script: str | None, to: str | None, listed: str | None, folder: str, form: str,
    output: Path | None, force: bool, threads: int | None, plain: bool,
) -> int:  # fmt: skip
    """Find files that hold one picture: the same, or compressed again, resized, cropped, rotated, mirrored, written on.

    Each group has one to keep, and why. Nothing is moved or deleted: --script writes what you may run.
    What is wrong is said once and for all: eyebright correct --not-same A B.

    \b
      eyebright duplicates
      eyebright duplicates --bursts --script tidy.sh --to ~/to-look-at
      eyebright duplicates --format json -o copies.jsonl
    """
    from eyebright.cli import progress
    from eyebright.library import Library
    from eyebright.library.duplicates import find

    if to and not script:
        raise BadRequest("--to is where the script of --script FILE moves files to.")
    written = [Path(name) for name in (script, listed, output) if name]
    if len({os.path.realpath(file) for file in written}) < len(written):
        raise BadRequest("--script, --list and --output are different files.")
    for file in written:
        options.must_be_free(file, force)
    with Library(folder) as library, progress.counted("Comparing", progress.wanted(False, plain)) as tell:
        found = find(library, bursts=bursts, threads=threads or 0, tell=tell)
    if script:
        options.write_bytes(Path(script), script_of(found.groups, to))
    if listed:
        paths = (os.fsencode(other) + b"\0" for _, other in spare(found.groups))
        options.write_bytes(Path(listed), b"".join(paths))
    lines = (
        [json.dumps(as_json(group), ensure_ascii=False) for group in found.groups] if form == "json" else said(found)
    )
    if output:
        options.write_bytes(output, "".join(f"{line}\n" for line in lines).encode())
    else:
        for line in lines:
            click.echo(line)
    for path, why in found.skipped:
        click.echo(f"not compared: {shown(path)}: {why}", err=True)
    return 1 if found.skipped else 0


def spare(groups: "Iterable[Group]") -> list[tuple[str, str]]:
    """The file to keep and one that need not be kept."""
    return [(group.keep.path, other.file.path) for group in groups for other in group.others if other.spare]


def script_of(groups: "Iterable[Group]", to: str | None) -> bytes:
    """A POSIX shell script; paths are absolute, and quoted whatever is in them."""
    moves = spare(groups)
    where = shlex.quote(os.path.abspath(to)) if to else "''"
    lines = [f"move {shlex.quote(keep)} {shlex.quote(other)}\n" for keep, other in moves]
    return os.fsencode(MOVE.format(count=len(moves), folder=where) + "".join(lines))


def shown(path: str) -> str:
    """A path as one line of text; the script and the list have its own bytes."""
    from eyebright.recognize.sources import name_of

    return options.one_line(name_of(path))


def said(found: "Found") -> list[str]:
    lines: list[str] = []
    for group in found.groups:
        lines.append(f"keep       {shown(group.keep.path)}  ({group.why})")
        for other in group.others:
            how = ", ".join(other.how) or "another shot"
            lines.append(f"  {'' if other.spare else 'look at '}{shown(other.file.path)}  ({how})")
    copies = sum(len(group.others) for group in found.groups if group.kind == "copies")
    shots = sum(len(group.others) for group in found.groups if group.kind == "burst")
    lines.append(
        f"Copies: {copies:,}. {f'Other shots of bursts: {shots:,}. ' if shots else ''}Groups: {len(found.groups):,}."
    )
    if copies:
        lines.append("Two that are not the same: eyebright correct --not-same A B, and they never come back.")
    return lines


def as_json(group: "Group") -> dict[str, Any]:
    return {
        "kind": group.kind,
        "keep": shown(group.keep.path),
        "why": group.why,
        "others": [
            {"source": shown(other.file.path), "how": list(other.how), "spare": other.spare} for other in group.others
        ],
    }
