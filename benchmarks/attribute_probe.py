"""A probe that detects musical attributes in sound, trained on a corpus.

    python benchmarks/attribute_probe.py --corpus runs/corpus --out out/probe

A convolutional network on log mel spectrograms of mono sound at 22 kHz, made by librosa: nothing
of kinetune's own model is in it. In the corpus an instrument goes with a genre. So that the probe
hears the instrument and not the genre, training adds the logarithm of the attribute's odds in the
piece's genre to its output, and only what sound says beyond the genre is learned (a product of
experts, He et al. 2019). The output alone detects. One piece in eight is held out: the area under
the ROC curve (AUC) over these, and the limit that one in ten of those without the attribute
exceeds.
Axes: B batch, M mel bands, T frames, A attributes.
"""

import argparse
import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kinetune import genres
from kinetune.audio.sound import Sound, read_sound, resample
from kinetune.corpus.folder import CorpusItem, read_manifest
from kinetune.corpus.prompts.vocabulary import vocabulary

RATE_HZ, BANDS, HOP = 22_050, 96, 1024
CROP_FRAMES = 172
HELD_OUT_EVERY = 8
SPECIFICITY, FEWEST = 0.9, 12
NAMES = tuple(each.name for each in vocabulary().attribute if each.axis != "genre")


def log_mel(sound: Sound) -> NDArray[np.float16]:
    """Return the log mel spectrogram of a sound, (M, T), of mean 0."""
    import librosa

    wave = resample(Sound(sound.mono, sound.rate_hz), RATE_HZ).samples.reshape(-1)
    power = librosa.feature.melspectrogram(
        y=wave, sr=RATE_HZ, n_fft=2048, hop_length=HOP, n_mels=BANDS
    )
    level = librosa.power_to_db(power, top_db=80.0)
    return ((level - level.mean()) / 20.0).astype(np.float16)


class Probe(nn.Module):
    """The network: four blocks of two-dimensional convolutions, means and maxima over time."""

    def __init__(self, count: int) -> None:
        super().__init__()
        widths = (1, 16, 32, 48, 64)
        blocks = []
        for before, after in itertools.pairwise(widths):
            blocks += [
                nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after),
                nn.ReLU(), nn.MaxPool2d(2),
            ]  # fmt: skip
        self.blocks = nn.Sequential(*blocks)
        self.out = nn.Sequential(
            nn.Linear(2 * widths[-1] * (BANDS // 16), 128), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(128, count),
        )  # fmt: skip

    def forward(self, mel: Tensor) -> Tensor:
        """Return a logit an attribute, (B, A), of spectrograms (B, M, T)."""
        x = self.blocks(mel[:, None]).flatten(1, 2)  # (B, C, M/16, T/16) -> (B, C * M/16, T/16)
        return self.out(torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1))


@dataclass(frozen=True, eq=False)
class TrainedProbe:
    """A probe with what is known of it.

    Attributes:
        network: The network.
        auc: Area under the curve of every attribute over held-out pieces; NaN where too few.
        limits: Logit from which an attribute counts as detected: one in ten of the held-out pieces
            without it exceeds this.
        absent: Logit below which its absence does: one in ten of those with it are below.
    """

    network: Probe
    auc: NDArray[np.float64]
    limits: NDArray[np.float64]
    absent: NDArray[np.float64]


@torch.no_grad()
def logits(network: Probe, mels: Sequence[NDArray[np.float16]]) -> NDArray[np.float64]:
    """Return the logits of whole spectrograms, (pieces, A)."""
    network.eval()
    rows = [network(torch.from_numpy(mel.astype(np.float32))[None])[0] for mel in mels]
    return torch.stack(rows).double().numpy()


def corpus_mels(corpus: Path, cache: Path) -> tuple[list[CorpusItem], list[NDArray[np.float16]]]:
    """Return the items of a corpus and the spectrograms of their music, kept in a cache."""
    cache.mkdir(parents=True, exist_ok=True)
    items = [item for item in read_manifest(corpus) if item.attributes]

    def read(item: CorpusItem) -> NDArray[np.float16]:
        path = cache / f"{item.id}.npy"
        if not path.is_file():
            np.save(path, log_mel(read_sound(corpus / item.audio)))
        return np.load(path)

    with ThreadPoolExecutor(2) as pool:
        return items, list(pool.map(read, items))


def genre_log_odds(items: Sequence[CorpusItem], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logarithm of every attribute's odds in every piece's genre, (pieces, A)."""
    codes = np.array([genres.genre_index(item.genre) for item in items])
    odds = np.zeros_like(labels)
    for code in np.unique(codes):
        inside = labels[codes == code]
        share = (inside.sum(axis=0) + 0.5) / (len(inside) + 1.0)
        odds[codes == code] = np.log(share / (1.0 - share))
    return odds


def train(
    items: Sequence[CorpusItem],
    mels: Sequence[NDArray[np.float16]],
    *,
    steps: int,
    batch_size: int = 32,
) -> TrainedProbe:
    """Train a probe on the pieces of a corpus, and measure it on those held out."""
    from sklearn.metrics import roc_auc_score

    labels = np.array([[name in item.attributes for name in NAMES] for item in items], np.float32)
    is_validation = np.arange(len(items)) % HELD_OUT_EVERY == 0
    odds = genre_log_odds(items, labels)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    network = Probe(len(NAMES))
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    usable = np.flatnonzero(~is_validation)
    for step in range(steps):
        network.train()
        chosen = rng.choice(usable, batch_size, replace=False)
        crops = np.stack([_crop(mels[index], rng) for index in chosen])
        logit = network(torch.from_numpy(crops)) + torch.from_numpy(odds[chosen])
        loss = nn.functional.binary_cross_entropy_with_logits(
            logit, torch.from_numpy(labels[chosen])
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    scores = logits(network, [mels[index] for index in np.flatnonzero(is_validation)])
    true = labels[is_validation] > 0.5
    auc, limits, absent = (np.full(len(NAMES), value) for value in (np.nan, np.inf, -np.inf))
    for column in range(len(NAMES)):
        has, score = true[:, column], scores[:, column]
        if min(has.sum(), (~has).sum()) >= FEWEST // 2:
            auc[column] = roc_auc_score(has, score)
            limits[column] = np.quantile(score[~has], SPECIFICITY)
            absent[column] = np.quantile(score[has], 1.0 - SPECIFICITY)
    return TrainedProbe(network, auc, limits, absent)


def _crop(mel: NDArray[np.float16], rng: np.random.Generator) -> NDArray[np.float32]:
    """A random span of a spectrogram at a random level, (M, CROP_FRAMES)."""
    first = rng.integers(0, mel.shape[1] - CROP_FRAMES + 1)
    crop = mel[:, first : first + CROP_FRAMES].astype(np.float32)
    return crop + np.float32(rng.normal(0.0, 0.1))


def save(probe: TrainedProbe, folder: Path) -> None:
    """Write a probe into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(probe.network.state_dict(), folder / "probe.pt")
    table = {name: getattr(probe, name).tolist() for name in ("auc", "limits", "absent")}
    (folder / "probe.json").write_text(json.dumps(table))


def load(folder: Path) -> TrainedProbe:
    """Return a probe that was written into a folder."""
    network = Probe(len(NAMES))
    network.load_state_dict(torch.load(folder / "probe.pt", weights_only=True))
    table = json.loads((folder / "probe.json").read_text())
    return TrainedProbe(network, *(np.array(table[name]) for name in ("auc", "limits", "absent")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("out/probe"))
    parser.add_argument("--steps", type=int, default=1200)
    options = parser.parse_args()
    items, mels = corpus_mels(options.corpus, options.out / "mels")
    probe = train(items, mels, steps=options.steps)
    save(probe, options.out)
    print("| attribute | AUC |\n|---|---|")
    for index in np.argsort(-np.nan_to_num(probe.auc)):
        print(f"| {NAMES[index]} | {probe.auc[index]:.2f} |")
    print(f"{np.sum(probe.auc >= 0.75)} of {len(NAMES)} with an AUC of 0.75 or more")


if __name__ == "__main__":
    main()
