"""A two-tower model that is trained here, and exported as CLIP-like models are (TorchScript's exporter, two graphs).

Texts are true or not of each picture; a sigmoid for each pair (Zhai et al. 2023, arXiv:2303.15343).
"""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import two_towers  # noqa: E402

CONTEXT = 12


class TextEncoder(nn.Module):
    """(B, T) token ids and mask -> (B, D): the mean of what the tokens are, then a layer."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(words, width)
        self.project = nn.Linear(width, width)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        mask = attention_mask[..., None].float()
        return self.project((self.tokens(input_ids) * mask).sum(1) / mask.sum(1))


def tokenizer_for(texts: list[str], words: int = 300) -> Tokenizer:
    """Byte pairs, learned from texts."""
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + words, initial_alphabet=alphabet, special_tokens=["<pad>"], show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made


def tokens(tokenizer: Tokenizer, texts: list[str]) -> tuple[Tensor, Tensor]:
    """(N, CONTEXT) ids and mask."""
    tokenizer.enable_padding(length=CONTEXT, pad_id=0, pad_token="<pad>")
    tokenizer.enable_truncation(CONTEXT)
    encoded = tokenizer.encode_batch(texts)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return torch.tensor([one.ids for one in encoded]), torch.tensor([one.attention_mask for one in encoded])


def train(
    image: nn.Module,
    text: TextEncoder,
    pictures: Tensor,
    read: tuple[Tensor, Tensor],
    true: Tensor,
    steps: int,
    rate: float = 3e-3,
) -> None:
    """Teach both towers which of L texts are true of which of N pictures, `true` (N, L)."""
    scale, bias = nn.Parameter(torch.tensor(math.log(10.0))), nn.Parameter(torch.tensor(-5.0))
    optimizer = torch.optim.AdamW([*image.parameters(), *text.parameters(), scale, bias], rate, weight_decay=0.1)
    for _ in range(steps):
        some = torch.randperm(len(pictures))[:128]
        seen, told = functional.normalize(image(pictures[some])), functional.normalize(text(*read))
        logits = seen @ told.T * scale.exp() + bias
        loss = functional.binary_cross_entropy_with_logits(logits, true[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def export(
    folder: Path, image: nn.Module, text: TextEncoder, tokenizer: Tokenizer, preprocessor: dict[str, Any], side: int
) -> Path:
    """Both towers and their configuration in the layout of exports."""
    two_towers.write(
        folder,
        preprocessor_config=preprocessor,
        tokenizer=json.loads(tokenizer.to_str()),
        tokenizer_config={"model_max_length": CONTEXT, "pad_token": "<pad>"},
        vision_model=None,
        text_model=None,
    )
    texts = torch.ones(2, 5, dtype=torch.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that such exports come from is an old one
        torch.onnx.export(
            image.eval(),
            (torch.zeros(2, 3, side, side),),
            str(folder / "onnx" / "vision_model.onnx"),
            input_names=["pixel_values"],
            output_names=["image_embeds"],
            dynamic_axes={"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}},
            dynamo=False,
        )
        both = {0: "batch", 1: "tokens"}
        torch.onnx.export(
            text.eval(),
            (texts, texts),
            str(folder / "onnx" / "text_model.onnx"),
            input_names=["input_ids", "attention_mask"],
            output_names=["text_embeds"],
            dynamic_axes={"input_ids": both, "attention_mask": both, "text_embeds": {0: "batch"}},
            dynamo=False,
        )
    return folder
