"""`hf:OWNER/NAME` fetches a few bounded files by HTTPS, whole or not at all, and only when that is asked for."""

import io
import urllib.error
from email.message import Message
from pathlib import Path

import pytest

from eyebright import cli
from eyebright.errors import BadRequest, CannotWrite
from eyebright.foreign import hub

NAME = "hf:Xenova/clip-vit-base-patch32"
AT = "https://huggingface.co/Xenova/clip-vit-base-patch32/resolve/main/"


class Answer(io.BytesIO):
    def __init__(self, data: bytes, stated: int | str | None = None) -> None:
        super().__init__(data)
        self.headers = Message()
        self.headers["Content-Length"] = str(len(data) if stated is None else stated)


class Server:
    """What `urllib` would open, by its address; it remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.other: dict[str, Answer | Exception] = {}

    def open(self, url: str, timeout: float) -> Answer:
        assert timeout == hub.TIMEOUT_S
        self.asked.append(url)
        answer = self.other.get(url.removeprefix(AT), Answer(url.encode()))
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    made = Server()
    monkeypatch.setattr(hub, "https_only", lambda: made)
    monkeypatch.setenv("EYEBRIGHT_CACHE", str(tmp_path))
    return made


def test_the_files_of_a_model_are_fetched_once(server: Server) -> None:
    said: list[str] = []
    folder = hub.fetched(NAME, said.append)
    assert server.asked == [AT + file for file in hub.FILES]
    assert said[-1] == "fetching https://huggingface.co/Xenova/clip-vit-base-patch32, onnx/vision_model.onnx"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(hub.FILES)
    assert (folder / "onnx" / "text_model.onnx").read_text() == AT + "onnx/text_model.onnx"
    hub.fetched(NAME)
    assert len(server.asked) == len(hub.FILES)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (urllib.error.HTTPError(AT, 404, "Not Found", Message(), None), "the server says 404 Not Found"),
        (urllib.error.URLError("Name or service not known"), "with no network, name a folder that is here"),
        (TimeoutError("timed out"), "timed out"),
        (Answer(b"ab", 5), "broke off after 2 of 5 bytes"),
        (Answer(b"ab", "abc"), "the server says that it has 'abc' bytes"),
        (Answer(b"ab", -2), "the server says that it has '-2' bytes"),
        (Answer(b"ab", "9" * 5000), "the server says that it has '999"),
        (Answer(bytes(hub.MAX_JSON_BYTES + 1)), "has over 4,000,000 bytes"),
    ],
)
def test_what_cannot_be_fetched_is_a_sentence(
    answer: Answer | Exception, sentence: str, server: Server, tmp_path: Path
) -> None:
    server.other["config.json"] = answer
    with pytest.raises(BadRequest, match=r"config.json") as refused:
        hub.fetched(NAME)
    assert sentence in str(refused.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class Dripping(Answer):
    """A byte a second, by a clock of its own."""

    now_s = 0.0

    def read1(self, size: int | None = -1, /) -> bytes:
        self.now_s += 1
        return super().read1(1)


def test_a_server_that_drips_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """No single wait is long, and all of them would take days."""
    dripping = server.other["config.json"] = Dripping(bytes(1000))
    monkeypatch.setattr(hub.time, "monotonic", lambda: dripping.now_s)
    with pytest.raises(BadRequest, match="only 61 bytes in a minute"):
        hub.fetched(NAME)


def test_models_of_different_names_lie_apart(server: Server) -> None:
    assert hub.fetched("hf:a--b/c") != hub.fetched("hf:a/b--c")
    assert "https://huggingface.co/a/b--c/resolve/main/config.json" in server.asked


def test_a_model_need_not_say_how_its_tokenizer_is_set(server: Server) -> None:
    server.other["tokenizer_config.json"] = urllib.error.HTTPError(AT, 404, "Not Found", Message(), None)
    folder = hub.fetched(NAME)
    assert (folder / "tokenizer_config.json").read_text() == "{}"
    hub.fetched(NAME)
    assert len(server.asked) == len(hub.FILES)


def test_a_cache_that_cannot_be_written_is_a_sentence(server: Server, tmp_path: Path) -> None:
    (tmp_path / "huggingface").write_text("a file")
    with pytest.raises(CannotWrite, match="cannot be written"):
        hub.fetched(NAME)


@pytest.mark.parametrize("name", ["hf:", "hf:clip", "hf:../..", "hf:a/b/c", "hf:a/..", "hf:a b/c", "hf:a/b?c"])
def test_a_name_that_is_none_is_never_asked_for(name: str, server: Server) -> None:
    with pytest.raises(BadRequest, match="are named hf:OWNER/NAME"):
        hub.fetched(name)
    assert not server.asked


def test_the_command_asks_for_what_was_named(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["import", "--two-tower", NAME, "-o", str(tmp_path / "clip.onnx")]) == 2  # a URL is no JSON
    assert server.asked
    said = capsys.readouterr().err
    assert "fetching https://huggingface.co/Xenova/clip-vit-base-patch32, config.json" in said
    assert said.endswith("config.json: not JSON.\n")


def test_it_never_follows_to_what_is_not_https() -> None:
    (follow,) = (one for one in hub.https_only().handlers if type(one).__name__ == "Redirections")
    import urllib.request

    request = urllib.request.Request(AT)
    with pytest.raises(urllib.error.URLError, match="not HTTPS"):
        follow.redirect_request(request, None, 302, "Found", Message(), "http://example.org/model.onnx")
    assert follow.redirect_request(request, None, 302, "Found", Message(), "https://example.org/model.onnx")
