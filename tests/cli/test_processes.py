"""What only a process of its own shows: Ctrl-C, kill -9, pipes, full discs, terminals, watching."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from pictures import encoded, plain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and terminals")

COUNT = 160  # a busy machine may look away for a second


@pytest.fixture
def many(tmp_path, cat):
    """A folder of pictures that takes a second or two."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:03}.jpg").write_bytes(cat.read_bytes())
    return folder


def start(*arguments, **options):
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([sys.executable, "-m", "eyebright", *map(str, arguments)], **options)


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def stopped_in_the_middle(folder, output, how, *options):
    """A run over `folder` that a signal ends once some lines are written."""
    child = start("predict", folder, "--output", output, "--threads", 1, *options)
    partial = output.with_name(output.name + ".partial")
    wait_for(lambda: lines(partial) > 20)
    child.send_signal(how)
    out, err = child.communicate(timeout=30)
    return child.returncode, out, err.decode()


@pytest.mark.parametrize("name", ["names.jsonl", "names.csv"])
def test_a_run_that_was_killed_goes_on(many, tmp_path, eyebright_process, name):
    """kill -9 in the middle, then --resume: every source once, in order, no torn line."""
    output = tmp_path / name
    code, _, _ = stopped_in_the_middle(many, output, signal.SIGKILL)
    assert code == -signal.SIGKILL
    partial = tmp_path / f"{name}.partial"
    before = lines(partial)
    assert 20 < before < COUNT
    assert not output.exists()
    with partial.open("ab") as file:
        file.write(b'{"source": "torn' if name.endswith("jsonl") else b'"torn')
    again = eyebright_process("predict", many, "--output", output)
    assert again.returncode == 2
    assert b"--resume goes on with it" in again.stderr
    again = eyebright_process("predict", many, "--output", output, "--resume")
    assert (again.returncode, again.stdout, again.stderr) == (0, b"", b"")
    with output.open(newline="") as file:
        rows = [json.loads(line) for line in file] if name.endswith("jsonl") else list(csv.DictReader(file))
    assert [row["source"] for row in rows] == [str(many / f"{number:03}.jpg") for number in range(COUNT)]
    assert not partial.exists()
    done = output.read_bytes()
    again = eyebright_process("predict", many, "--output", output, "--resume")
    assert again.returncode == 0
    assert output.read_bytes() == done


def test_ctrl_c_keeps_what_is_finished(many, tmp_path, eyebright_process):
    """Exit 130, whole lines in the file, and the rest can be done later."""
    output = tmp_path / "names.jsonl"
    code, out, err = stopped_in_the_middle(many, output, signal.SIGINT)
    assert (code, out, err) == (130, b"", "eyebright: stopped.\n")
    finished = [json.loads(line)["source"] for line in output.read_text().splitlines()]
    assert finished == [str(many / f"{number:03}.jpg") for number in range(len(finished))]
    assert 20 < len(finished) < COUNT
    assert not list(tmp_path.glob("*.partial"))
    assert eyebright_process("predict", many, "-o", output, "--resume").returncode == 0
    assert lines(output) == COUNT


def test_ctrl_c_while_embedding_writes_what_is_finished(many, tmp_path):
    """Exit 130 with a file that can be read."""
    import numpy as np

    child = start("embed", *[many] * 20, "-o", "a.npz", "--threads", 1, cwd=tmp_path)
    time.sleep(1.5)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err.decode().endswith("eyebright: stopped.\n")
    if (tmp_path / "a.npz").exists():
        with np.load(tmp_path / "a.npz") as arrays:
            assert 0 < len(arrays["source"]) == len(arrays["embedding"]) < 20 * COUNT


def test_a_file_of_something_else_is_not_gone_on_with(tmp_path, eyebright_process, cat):
    """And stays as it is."""
    for name, text in (("a.jsonl", "dear diary\n"), ("a.csv", "dear,diary\n"), ("b.jsonl", "\xff\n")):
        path = tmp_path / name
        path.write_text(text, encoding="latin-1")
        ended = eyebright_process("predict", cat, "-o", name, "--resume")
        assert ended.returncode == 2
        assert b"is not a file of results in" in ended.stderr
        assert path.read_text(encoding="latin-1") == text
        assert [entry.name for entry in tmp_path.glob(f"{name}*")] == [name]


def test_resuming_what_never_began_is_a_start(tmp_path, eyebright_process, cat):
    """The same line can be used every time."""
    for name in ("a.jsonl", "a.csv"):
        assert eyebright_process("predict", cat, "-o", name, "--resume").returncode == 0
        assert lines(tmp_path / name) == (2 if name == "a.csv" else 1)


def test_a_reader_that_has_seen_enough_ends_the_run_quietly(many):
    """`eyebright predict many | head -1`."""
    child = start("predict", many, "--format", "json")
    assert json.loads(child.stdout.readline())["labels"]
    child.stdout.close()
    assert child.wait(timeout=30) == 0
    assert child.stderr.read() == b""
    child.stderr.close()


def test_a_full_disc_is_one_sentence_and_keeps_what_is_done(many, tmp_path, eyebright_process):
    """Then make room and go on."""

    def small():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    ended = eyebright_process("predict", many, "-o", "a.jsonl", preexec_fn=small)
    assert ended.returncode == 2
    assert ended.stderr.decode() == (
        "eyebright: a.jsonl cannot be written: file too large; "
        f"what is done is in {tmp_path / 'a.jsonl.partial'}: make room, then go on with --resume.\n"
    )
    assert 5 < lines(tmp_path / "a.jsonl.partial") < COUNT
    assert eyebright_process("predict", many, "-o", "a.jsonl", "--resume").returncode == 0
    assert lines(tmp_path / "a.jsonl") == COUNT
    ended = eyebright_process("embed", many, "-o", "a.npz", preexec_fn=small)
    assert ended.returncode == 2
    assert ended.stderr.decode().startswith("eyebright: a.npz cannot be written: file too large")
    assert b"Traceback" not in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "many"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_screen_that_cannot_be_written_to_is_one_sentence(eyebright_process, cat):
    """`> /dev/full`."""
    with open("/dev/full", "wb") as full:
        ended = eyebright_process("predict", cat, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert ended.returncode == 2
    assert ended.stderr == b"eyebright: the results cannot be written: no space left on device.\n"


def test_a_watched_folder_is_named_as_files_appear(tmp_path, colors):
    """A growing file only once it has stopped growing; Ctrl-C keeps what was named."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "old.png").write_bytes(encoded(plain("green")))
    ask = ["--model", colors, "--trust", "--watch", "--format", "json"]
    child = start("predict", folder, *ask, text=True)
    assert child.stderr.readline().startswith(f"Watching {folder}")
    time.sleep(0.3)
    data = encoded(plain("red"))
    with (folder / "new.png").open("wb") as file:
        for at in range(0, len(data), len(data) // 4 + 1):
            file.write(data[at : at + len(data) // 4 + 1])
            file.flush()
            time.sleep(0.5)
    row = json.loads(child.stdout.readline())
    assert (row["source"], row["summary"]["label"]) == (str(folder / "new.png"), "red")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (130, "", "eyebright: stopped.\n")


def terminal(*arguments, stdout, seconds=60, **options):
    """Run with stderr, and where `stdout` is None stdout too, on a terminal; what it showed there."""
    import pty

    ours, theirs = pty.openpty()
    child = start(*arguments, stdout=theirs if stdout is None else stdout, stderr=theirs, **options)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # the terminal is closed when the child ends
        pass
    os.close(ours)
    return child.wait(timeout=seconds), shown.decode()


def test_a_progress_bar_shows_rate_and_time_left_where_somebody_looks(many, tmp_path):
    """Results go to a file; stderr is a terminal."""
    ask = ["predict", many, many, many, "--threads", 1]  # long enough for an estimate
    code, shown = terminal(*ask, "-o", tmp_path / "a.jsonl", stdout=subprocess.DEVNULL)
    assert code == 0
    assert " a second" in shown
    assert f"/{3 * COUNT}" in shown
    assert "00:00:0" in shown
    code, shown = terminal(
        "predict", many / "000.jpg", "-o", tmp_path / "b.jsonl", "--plain", stdout=subprocess.DEVNULL
    )
    assert (code, shown) == (0, "")


def test_on_a_terminal_results_have_colors_and_no_bar_runs_through_them(cat, tmp_path):
    """Bold names; NO_COLOR and files have none."""
    environment = {**os.environ, "TERM": "xterm"}
    code, shown = terminal("predict", cat, stdout=None, env=environment)
    assert code == 0
    assert "\x1b[1m" in shown
    assert "a second" not in shown
    _, shown = terminal("predict", cat, stdout=None, env={**environment, "NO_COLOR": "1"})
    assert "\x1b" not in shown
    terminal("predict", cat, "-o", tmp_path / "a.txt", stdout=None, env=environment)
    assert "\x1b" not in (tmp_path / "a.txt").read_text()
