"""Texts to embeddings: what runs a text file (textfile.py).

text -> tokens, cut or filled to the context -> graph -> unit vector (D,)

Each text goes alone, so that no text changes another one's embedding and nothing is filled that need not be.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyebright.errors import BadModelFile, BadRequest, extra
from eyebright.runtime import Floats, first_line, session
from eyebright.textfile import INPUTS, TextFile

MAX_CHARACTERS = 10_000
GOLDEN = "a photo of a cat"
"""The text of a self-test."""
CLOSE = 0.999
"""The least cosine to what the self-test expects."""


class TextTower:
    """The loaded text encoder of a two-tower model. Raises BadModelFile, MissingExtra."""

    def __init__(self, file: TextFile, threads: int = 1) -> None:
        self.path = file.path
        self.metadata = file.metadata
        self._tokenizer = tokenizer_of(file)
        try:
            self._session = session(file.data, threads)
        except Exception as error:  # ONNX Runtime's own exceptions share no base
            raise BadModelFile(f"{file.path}: ONNX Runtime cannot use it: {first_line(error)}") from None
        self._types = {value.name: value.type for value in self._session.get_inputs()}
        if "input_ids" not in self._types or not set(self._types) <= set(INPUTS):
            raise BadModelFile(f"{file.path}: a text encoder takes `input_ids`; this takes {list(self._types)}.")

    def embed(self, texts: Iterable[str]) -> Floats:
        """Unit vectors (N, D) of N texts. Raises BadRequest for what is no text."""
        vectors = [self._embed(text) for text in ([texts] if isinstance(texts, str) else texts)]
        return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)

    def check(self) -> None:
        """The self-test. Raises BadModelFile where the golden text comes out as another one."""
        golden = self.metadata.golden
        if golden is None:
            self._embed(GOLDEN)
            return
        expected, found = np.array(golden.embedding, np.float32), self._embed(golden.text)
        if expected.shape != found.shape or not CLOSE <= float(expected @ found) <= 2 - CLOSE:
            raise BadModelFile(f"{self.path}: its self-test failed on this machine, so its answers cannot be trusted.")

    def tokens(self, text: str) -> list[int]:
        """Ids of at most `context` tokens."""
        if len(text) > MAX_CHARACTERS:
            raise BadRequest(f"a text of {len(text):,} characters is too long to look for; {MAX_CHARACTERS:,} are not.")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadRequest("this is no text: it has characters that do not exist.") from None
        with told(f"{self.path}: its tokenizer cannot read this text"):
            ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def _embed(self, text: str) -> Floats:
        ids = self.tokens(text)
        filling = [] if self.metadata.padding is None else [self.metadata.padding] * (self.metadata.context - len(ids))
        length = len(ids) + len(filling)
        values = {
            "input_ids": [*ids, *filling],
            "attention_mask": [1] * len(ids) + [0] * len(filling),
            "token_type_ids": [0] * length,
            "position_ids": range(length),
        }
        feeds = {name: row(values[name], kind) for name, kind in self._types.items()}
        try:
            (found,) = self._session.run([self.metadata.output], feeds)
            vector = np.asarray(found, np.float64)  # whose squares do not overflow
        except Exception as error:
            raise BadModelFile(f"{self.path}: it failed on a text of {len(ids)} tokens: {first_line(error)}") from None
        norm = float(np.linalg.norm(vector)) if np.isfinite(vector).all() else 0.0
        if vector.ndim != 2 or len(vector) != 1 or norm == 0:
            raise BadModelFile(f"{self.path}: its output {self.metadata.output!r} is no embedding (1, D) of a text.")
        unit: Floats = (vector[0] / norm).astype(np.float32)
        return unit


def open_tested(file: TextFile, threads: int = 1) -> TextTower:
    """The encoder of a text file that passed its self-test here. Raises BadModelFile, MissingExtra."""
    tower = TextTower(file, threads)
    tower.check()
    return tower


def tokenizer_of(file: TextFile) -> Any:
    """The tokenizer in a text file, which cuts texts to its context. Raises BadModelFile, MissingExtra."""
    library = tokenizers()
    with told(f"{file.path}: its tokenizer cannot be used"):
        made = library.Tokenizer.from_str(file.tokenizer.decode())
        made.no_padding()
        made.enable_truncation(file.metadata.context)
    return made


@contextmanager
def told(what: str) -> Iterator[None]:
    """Whatever the library of tokenizers raises, as a BadModelFile."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # Rust's, which is none
            raise
        raise BadModelFile(f"{what}: {first_line(error)}.") from None


def tokenizers() -> Any:
    """The library of Hugging Face that runs all their tokenizers. Raises MissingExtra."""
    with extra("text", "reading free text"):
        import tokenizers
    return tokenizers


def row(values: Iterable[int], kind: str) -> NDArray[Any]:
    """(1, T) of the integers that the graph takes."""
    return np.array([list(values)], np.int32 if kind == "tensor(int32)" else np.int64)
