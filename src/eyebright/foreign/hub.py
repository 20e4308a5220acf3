"""`hf:OWNER/NAME`: the files of a two-tower model from huggingface.co, fetched only where that name is given.

Each file is bounded, written beside its place and renamed; what is there already is not fetched again.
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import platformdirs

from eyebright import gate
from eyebright.errors import BadRequest, CannotWrite
from eyebright.foreign.export import MAX_JSON_BYTES, TEXT, VISION
from eyebright.textfile import MAX_TOKENIZER_BYTES

HOST = "https://huggingface.co"
PREFIX = "hf:"
TIMEOUT_S = 30
"""Without a byte."""
MINUTE_S, LEAST_BYTES = 60, 100_000
"""In each minute so many bytes come, or it is given up."""
AT_ONCE = 1 << 20
FILES = {
    "config.json": MAX_JSON_BYTES,
    "preprocessor_config.json": MAX_JSON_BYTES,
    "tokenizer_config.json": MAX_JSON_BYTES,
    "tokenizer.json": MAX_TOKENIZER_BYTES,
    f"onnx/{TEXT[0]}": gate.MAX_FILE_BYTES,
    f"onnx/{VISION[0]}": gate.MAX_FILE_BYTES,
}
"""What is fetched, and how many bytes of each at most."""
OPTIONAL = ("tokenizer_config.json",)
"""A model need not have it; {} stands in its place, so that it is not asked for again."""


class NotThere(BadRequest):
    """The server has no such file."""


def fetched(source: str, tell: Callable[[str], None] = lambda line: None) -> Path:
    """The folder with the files of hf:OWNER/NAME, in the user's cache. Raises BadRequest, CannotWrite."""
    name = source.removeprefix(PREFIX)
    if not re.fullmatch(r"[a-z0-9][\w.-]*/[a-z0-9][\w.-]*", name, re.ASCII | re.IGNORECASE):
        raise BadRequest(f"models there are named hf:OWNER/NAME, as hf:Xenova/clip-vit-base-patch32; got {source!r}.")
    cache = Path(os.environ.get("EYEBRIGHT_CACHE") or platformdirs.user_cache_dir("eyebright"))
    folder = cache / "huggingface" / name
    opener = https_only()
    for file, limit in FILES.items():
        path = folder / file
        if not path.exists():
            tell(f"fetching {HOST}/{name}, {file}")
            try:
                fetch(opener, f"{HOST}/{name}/resolve/main/{file}", path, limit)
            except NotThere:
                if file not in OPTIONAL:
                    raise
                path.write_text("{}")
    return folder


def fetch(opener: Any, url: str, path: Path, limit: int) -> None:
    """One file of at most `limit` bytes; whole, or not there."""
    import urllib.error
    from http.client import HTTPException

    beside = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with opener.open(url, timeout=TIMEOUT_S) as answer, beside.open("wb") as file:
            stated = answer.headers.get("Content-Length")
            if stated is not None and not re.fullmatch(r"\d{1,18}", stated, re.ASCII):
                raise BadRequest(f"{url} cannot be fetched: the server says that it has {stated[:40]!r} bytes.")
            got = 0
            for some in pieces(answer):
                got += len(some)
                if got > limit:
                    raise BadRequest(f"{url} has over {limit:,} bytes, which is not read.")
                file.write(some)
        if stated is not None and got != int(stated):
            raise BadRequest(f"{url} broke off after {got:,} of {int(stated):,} bytes; try again.")
        beside.replace(path)
    except urllib.error.HTTPError as error:
        kind = NotThere if error.code == 404 else BadRequest
        raise kind(f"{url} cannot be fetched: the server says {error.code} {error.reason}.") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise BadRequest(
            f"{url} cannot be fetched ({why}); with no network, name a folder that is here: --two-tower DIR."
        ) from None
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def pieces(answer: Any) -> Iterator[bytes]:
    """The bytes of an answer as they come. Raises TimeoutError where they drip."""
    began, got = time.monotonic(), 0
    while some := answer.read1(AT_ONCE):  # `read` would wait for all of them
        yield some
        got += len(some)
        if time.monotonic() - began > MINUTE_S:
            if got < LEAST_BYTES:
                raise TimeoutError(f"only {got:,} bytes in a minute")
            began, got = time.monotonic(), 0


def https_only() -> Any:
    """What opens addresses and follows redirections, never to one that is not HTTPS."""
    import urllib.error
    import urllib.request

    class Redirections(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, request: Any, file: Any, code: int, reason: str, headers: Any, url: str) -> Any:
            if not url.startswith("https://"):
                raise urllib.error.URLError(f"it leads to {url}, which is not HTTPS")
            return super().redirect_request(request, file, code, reason, headers, url)

    return urllib.request.build_opener(Redirections)
