"""The other half of transformers_towers.py, run where transformers is: a model with random weights, exported.

python transformers_export.py clip|siglip FOLDER TEXTS      FOLDER/photos.txt names the photos
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextModelWithProjection,
    CLIPTokenizerFast,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipTextModel,
    SiglipVisionModel,
)

LAYERS = 4
"""Of 12, to be done sooner."""


def main() -> None:
    kind, folder, texts = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split("\n")
    torch.manual_seed(0)
    (folder / "onnx").mkdir()
    tokenizer = clip_tokenizer() if kind == "clip" else siglip_tokenizer(texts)
    if kind == "clip":
        config = CLIPConfig(
            text_config={"num_hidden_layers": LAYERS, "vocab_size": len(tokenizer),
                         "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id},
            vision_config={"num_hidden_layers": LAYERS},
        )  # fmt: skip
        vision = CLIPVisionModelWithProjection(config.vision_config)
        text = CLIPTextModelWithProjection(config.text_config)
        processor, vision_output, text_output = CLIPImageProcessor(), "image_embeds", "text_embeds"
        fill = {"padding": True}
    else:
        config = SiglipConfig(
            text_config={"num_hidden_layers": LAYERS, "vocab_size": len(tokenizer)},
            vision_config={"num_hidden_layers": LAYERS},
        )
        vision, text = SiglipVisionModel(config.vision_config), SiglipTextModel(config.text_config)
        processor, vision_output, text_output = SiglipImageProcessor(), "pooler_output", "pooler_output"
        fill = {"padding": "max_length"}
    for model in (vision.eval(), text.eval()):
        for value in model.parameters():  # fresh weights are so small that all pictures would look the same
            value.data = torch.randn_like(value) * (0.05 if value.ndim > 1 else 0.2) + (value.ndim == 1)
    config.save_pretrained(folder)
    processor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with torch.inference_mode():
        paths = (folder / "photos.txt").read_text().split("\n")
        pixels = (processor(Image.open(path).convert("RGB"), return_tensors="pt") for path in paths)
        photos = [getattr(vision(**one), vision_output)[0].numpy() for one in pixels]
        said = [getattr(text(tokens(tokenizer, one, fill)), text_output)[0].numpy() for one in texts]
    np.savez(folder / "theirs.npz", photos=np.stack(photos), texts=np.stack(said))
    onnx = folder / "onnx"
    export(vision, torch.zeros(2, 3, 224, 224), "pixel_values", {0: "n"}, vision_output, onnx / "vision_model.onnx")
    some = tokens(tokenizer, texts[0], fill).repeat(2, 1)
    export(text, some, "input_ids", {0: "n", 1: "length"}, text_output, onnx / "text_model.onnx")


def tokens(tokenizer: PreTrainedTokenizerFast, text: str, fill: dict[str, object]) -> torch.Tensor:
    return tokenizer(text, truncation=True, return_tensors="pt", **fill)["input_ids"]


class Only(torch.nn.Module):
    """One output of a model by its name."""

    def __init__(self, model: torch.nn.Module, name: str) -> None:
        super().__init__()
        self.model, self.name = model, name

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return getattr(self.model(given), self.name)


def export(
    model: torch.nn.Module, example: torch.Tensor, name: str, axes: dict[int, str], output: str, path: Path
) -> None:
    torch.onnx.export(
        Only(model, output), (example,), path, input_names=[name], output_names=[output],
        dynamic_axes={name: axes, output: {0: "n"}}, dynamo=False,
    )  # fmt: skip


def clip_tokenizer() -> PreTrainedTokenizerFast:
    """Byte pairs as CLIP's, of a small vocabulary."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("d", "o"), ("do", "g</w>"), ("p", "h</w>")]
    marks = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges), *marks]
    return CLIPTokenizerFast(
        vocab={token: at for at, token in enumerate(vocabulary)}, merges=merges, model_max_length=77
    )


def siglip_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A unigram model in small letters that ends and fills with </s>, as SigLIP's."""
    made = Tokenizer(models.Unigram())
    made.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(" {2,}", " "), normalizers.Strip()]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(
        texts, trainers.UnigramTrainer(vocab_size=60, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    )
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="</s>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


if __name__ == "__main__":
    main()
