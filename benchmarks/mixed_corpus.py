"""Corpus music whose attributes are drawn apart from the genre, to train a probe with.

    python benchmarks/mixed_corpus.py --out out/mixed --pieces 3200

In the corpus an instrument goes with a genre, and some instruments are rare. Here every piece is
composed and rendered as the corpus's are, but its style is mixed: chords, drums, bass, tune, layers
and mix of different genres, and half of the instruments drawn evenly from the vocabulary. Tempo,
energy, swing, tone and reverberation are drawn from wide ranges, and one piece in twelve has no
drums. Writes ``NUMBER.wav`` (mono) and ``NUMBER.json``, the attributes as read off the notes and
the mix. A number gives a piece: the command can be stopped and resumed.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from kinetune import genres, timebase
from kinetune.audio.sound import write_sound
from kinetune.corpus.composition.composer import write_song, written_score
from kinetune.corpus.composition.music_score import DanceProfile, Score
from kinetune.corpus.composition.songs import Song, draw_mix, draw_song
from kinetune.corpus.prompts.attributes import attributes_of, played_score
from kinetune.corpus.prompts.vocabulary import INSTRUMENT, vocabulary
from kinetune.corpus.rendering.mixer import render
from kinetune.corpus.styles.style import Drums, Layer, MixSettings, Style, style_of

SECONDS, RATE_HZ = 10.0, 22_050
SLOWEST_BPM, FASTEST_BPM = 52.0, 176.0
_STREAM = 505
_SWAPPED, _WIDE, _NO_DRUMS = 0.5, 0.5, 1 / 12
_FEWEST_LAYERS, _MOST_LAYERS = 1, 6
_DRUMS = frozenset({"kick", "snare", "layer", "hat", "open_hat", "crash", "tom", "riser", "drop"})


def compose_mixed(number: int, *, seconds: float = SECONDS) -> tuple[Score, tuple[str, ...]]:
    """Return the score of a piece, and the names of its attributes, of which no genre is one."""
    rng = np.random.default_rng([number, _STREAM])
    bpm = float(np.exp(rng.uniform(np.log(SLOWEST_BPM), np.log(FASTEST_BPM))))
    style = mixed_style(rng)
    song = draw_song(rng, style, bpm)
    beats = timebase.beat_times(bpm, 0.0, seconds)
    profile = DanceProfile("BR", bpm, seconds, 0.0, _draw_energy(rng, len(beats)))
    writer = write_song(rng, song, profile)
    silent = _drum_parts(song) if rng.random() < _NO_DRUMS else frozenset()
    score = written_score(profile, song, writer, draw_mix(rng, style, bpm))
    score = replace(score, notes=tuple(note for note in score.notes if note.part not in silent))
    return score, attributes_of(replace(played_score(score, style), genre=""))


def _draw_energy(rng: np.random.Generator, beats: int) -> np.ndarray:
    """The energy of a dance that drifts, (beats,)."""
    drift = np.cumsum(rng.normal(0.0, 0.06, beats))
    return np.clip(rng.uniform(0.15, 0.9) + drift - drift.mean(), 0.0, 1.0)


def _drum_parts(song: Song) -> frozenset[str]:
    return _DRUMS | {line.part for line in song.lines if line.layer.role == "drum"}


def mixed_style(rng: np.random.Generator) -> Style:
    """Return a style whose sections are of different genres."""
    styles = [style_of(code) for code in genres.CODES]

    def any_style() -> Style:
        return styles[int(rng.integers(len(styles)))]

    pool = [layer for style in styles for layer in style.layers]
    count = int(rng.integers(_FEWEST_LAYERS, _MOST_LAYERS + 1))
    layers = [pool[index] for index in rng.choice(len(pool), count, replace=False)]
    bass, hook = any_style().bass, any_style().hook
    return Style(
        harmony=any_style().harmony,
        drums=_mixed_drums(rng, any_style().drums, any_style().drums),
        bass=replace(bass, instruments=_swapped(rng, "bass", bass.instruments)),
        hook=replace(hook, instruments=_swapped(rng, "hook", hook.instruments)),
        layers=tuple(_mixed_layer(rng, layer) for layer in layers),
        accents=any_style().accents,
        mix=_mixed_settings(rng, any_style().mix),
    )


def _mixed_drums(rng: np.random.Generator, rhythms: Drums, sounds: Drums) -> Drums:
    """Rhythms of one genre on a kit of another."""
    kit = sounds.kits[int(rng.integers(len(sounds.kits)))]
    kit = replace(
        kit,
        snare=_swapped(rng, "snare", (kit.snare,))[0],
        layer=_swapped(rng, "layer", (kit.layer,))[0],
    )
    return replace(rhythms, kits=(kit,), drop=sounds.drop)


def _mixed_layer(rng: np.random.Generator, layer: Layer) -> Layer:
    return replace(
        layer,
        instruments=_swapped(rng, layer.role, layer.instruments),
        min_energy=float(rng.uniform(0.0, layer.min_energy)) if layer.min_energy else 0.0,
        probability=1.0,
    )


def _swapped(rng: np.random.Generator, role: str, own: tuple[str, ...]) -> tuple[str, ...]:
    """One of a role's own instruments, or of those of a random attribute that the role can have."""
    options = [
        each.instruments for each in vocabulary().attribute
        if each.instruments
        and (role in each.roles if each.axis == INSTRUMENT else role == each.axis == "bass")
    ]  # fmt: skip
    if rng.random() < _SWAPPED:
        own = options[int(rng.integers(len(options)))]
    return (own[int(rng.integers(len(own)))],)


def _mixed_settings(rng: np.random.Generator, own: MixSettings) -> MixSettings:
    """The settings of a genre with wider ranges of what prompts request."""
    wide = {"swing": (0.0, 0.34), "reverb": (0.02, 0.5), "tilt_db": (-9.0, 9.0)}
    return replace(own, **{name: span for name, span in wide.items() if rng.random() < _WIDE})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("out/mixed"))
    parser.add_argument("--pieces", type=int, default=3200)
    parser.add_argument("--first", type=int, default=0, help="number of the first piece")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.first, options.first + options.pieces):
        table = options.out / f"{number}.json"
        if not table.is_file():
            score, attributes = compose_mixed(number)
            write_sound(options.out / f"{number}.wav", render(score, RATE_HZ, channels=1))
            table.write_text(json.dumps(attributes))


if __name__ == "__main__":
    main()
