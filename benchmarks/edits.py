"""Effect of edits: similarity to the original (docs/measurements.md).

    python benchmarks/edits.py [--model default] [--motion FILE] [--parts changes accents ...]

Music for one dance is made, then varied by several strengths and turned into other styles. For
each: correlation of onset strengths with the original's, mean distance of the mels, and distance of
the mean spectrum from that of the requested style, made from nothing (two seeds). Then joins of
stretches made anew: the share of changes of the spectrum elsewhere that are smaller. Accents: onset
strength within 50 ms of an accent over that of the strongest onset within a second of it. Energy:
how much louder the first half gets against the second when the score gives it so much energy.
Loudness: for a made-up dance of each genre, how much louder six seconds are made anew, with the
level that a recipe keeps and without.
"""

import argparse
from pathlib import Path

import numpy as np
from user_pipeline import load_model, spectrogram_of

from kinetune import genres, timebase
from kinetune.audio.beats import onset_envelope
from kinetune.audio.sound import Sound
from kinetune.corpus.choreography.choreographer import choreograph
from kinetune.corpus.choreography.dance import DanceRequest
from kinetune.model.conditioning.control_score import Accent, ControlScore, Section
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.sampling.edit_spec import EditSpec
from kinetune.model.sampling.editing import edit_music
from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid, fixed_grid
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import read_motion

DANCE = Path(__file__).parent.parent / "examples" / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"
ACCENTS_S = ((2.3, 5.1, 7.9), (1.4, 4.1, 6.77))
SPANS_S = ((2.0, 4.0), (3.1, 6.0), (4.0, 7.7))


def mel_db(pipeline: DanceToMusicPipeline, sound: Sound) -> np.ndarray:
    """Return the mel spectrogram (M, L) of a sound, dB."""
    mel = spectrogram_of(pipeline, sound)[0].numpy()
    return mel * pipeline.mel.settings.top_db / 2.0


def changes(pipeline: DanceToMusicPipeline, clip: MotionClip, grid: BeatGrid) -> None:
    """Print what changes leave, and the joins."""
    music = pipeline(clip, genre="BR", seed=1, grid=grid).sound
    styles = {
        code: np.mean([mel_db(pipeline, pipeline(clip, genre=code, seed=s, grid=grid).sound)
                       for s in (1, 2)], axis=(0, 2))
        for code in ("BR", "HO", "JB")
    }  # fmt: skip
    base, onsets = mel_db(pipeline, music), onset_envelope(music)
    print("| genre | change | onsets alike | mel apart | from the style |\n|---|---|---|---|---|")
    wishes = [("BR", EditSpec(strength=s)) for s in (0.1, 0.3, 0.5, 1.0)]
    wishes += [(code, EditSpec(strength=1.0, keep_rhythm=keep))
               for code in ("HO", "JB") for keep in (True, False)]  # fmt: skip
    for code, change in wishes:
        sampling = pipeline.sampling_options(5)
        made = edit_music(pipeline, music, clip, change, genre=code, sampling=sampling, grid=grid)
        mel = mel_db(pipeline, made.sound)
        correlation = np.corrcoef(onset_envelope(made.sound), onsets)[0, 1]
        print(
            f"| {code} | {change.amount:g}{', rhythm kept' if change.keep_rhythm else ''} "
            f"| {correlation:.2f} | {np.abs(mel - base).mean():.1f} dB "
            f"| {np.abs(mel.mean(axis=1) - styles[code]).mean():.1f} dB |",
            flush=True,
        )
    ranks = [rank for seed in range(4) for span in SPANS_S
             for rank in joins(pipeline, clip, grid, music, span, seed)]  # fmt: skip
    print(f"\nJoins: mean rank {np.mean(ranks):.2f} over {len(ranks)}.")


def joins(
    pipeline: DanceToMusicPipeline, clip: MotionClip, grid: BeatGrid, music: Sound,
    span_s: tuple[float, float], seed: int,
) -> list[float]:  # fmt: skip
    """Return how usual the change of the spectrum is at the ends of a stretch made anew."""
    change = EditSpec(redo=span_s, exact=True)
    made = edit_music(
        pipeline,
        music,
        clip,
        change,
        genre="BR",
        sampling=pipeline.sampling_options(seed),
        grid=grid,
    )
    before, after = (
        np.abs(np.diff(mel_db(pipeline, sound), axis=1)).mean(axis=0)
        for sound in (music, made.sound)
    )
    width = timebase.frames_in(0.3, timebase.mel_rate_hz())
    usual = np.array([before[k : k + width].max() for k in range(len(before) - width)])
    frames = [timebase.frames_in(t, timebase.mel_rate_hz()) for t in span_s]
    return [float(np.mean(usual < after[k - width // 2 : k + width // 2].max())) for k in frames]


def accents(pipeline: DanceToMusicPipeline, clip: MotionClip, grid: BeatGrid) -> None:
    """Print how far accents stand out."""
    print("| strength | over the strongest near it, median | least |\n|---|---|---|")
    for strength in (0.0, 0.5, 1.0):
        prominences = []
        for seed in (1, 2, 3):
            for times_s in ACCENTS_S:
                score = ControlScore(accents=tuple(Accent(t, strength) for t in times_s))
                sound = pipeline(clip, genre="BR", seed=seed, score=score, grid=grid).sound
                prominences += [standing(sound, t) for t in times_s]
        print(
            f"| {strength:g} | {np.median(prominences):.2f} | {min(prominences):.2f} |", flush=True
        )


def energy(pipeline: DanceToMusicPipeline, clip: MotionClip, grid: BeatGrid) -> None:
    """Print how much louder a section gets."""
    print("| energy | first half against the second, three seeds |\n|---|---|")
    middle_s = clip.duration_s / 2.0
    for factor in (0.5, 2.0):
        score = ControlScore((Section(0.0, middle_s, "", factor),))
        louder = [
            balance_db(pipeline(clip, genre="BR", seed=s, score=score, grid=grid).sound)
            - balance_db(pipeline(clip, genre="BR", seed=s, grid=grid).sound)
            for s in (1, 2, 3)
        ]
        print(f"| {factor:g} | {', '.join(f'{value:+.1f} dB' for value in louder)} |", flush=True)


def balance_db(sound: Sound) -> float:
    """Return the level of a sound's first half against its second, dB."""
    halves = np.array_split(sound.mono.astype(np.float64), 2)
    return float(np.subtract(*(10.0 * np.log10((half**2).mean()) for half in halves)))


def standing(sound: Sound, at_s: float) -> float:
    """Return onset strength at a time over the strongest within a second of it."""
    strength = onset_envelope(sound)
    away = np.abs(timebase.frame_times(len(strength), timebase.mel_rate_hz()) - at_s)
    return float(strength[away <= 0.05].max() / strength[(away > 0.1) & (away <= 1.0)].max())


def loudness(pipeline: DanceToMusicPipeline, clip: MotionClip, grid: BeatGrid) -> None:
    """Print how much louder a stretch made anew is than what was there, by genre."""
    del clip, grid
    print("| genre | with the recipe | without |\n|---|---|---|")
    rows = []
    for seed, code in enumerate(genres.CODES):
        dance = choreograph(5_500_000 + seed, DanceRequest(genre=code, bpm=110.0, duration_s=20.0))
        beats = fixed_grid(110.0, float(dance.downbeats_s[0]), 20.0)
        music = pipeline(dance.clip, genre=code, seed=seed, grid=beats)
        louder = []
        for level in (music.model_lufs, None):
            made = edit_music(
                pipeline, music.sound, dance.clip, EditSpec(redo=(6.0, 12.0)), genre=code,
                sampling=pipeline.sampling_options(100 + seed), grid=beats, model_lufs=level,
            )  # fmt: skip
            rate_hz = music.sound.rate_hz
            span = slice(*(timebase.samples_in(t, rate_hz) for t in (made.start_s, made.end_s)))
            new, old = (np.square(s.mono[span]).mean() for s in (made.sound, music.sound))
            louder.append(10.0 * float(np.log10(new / old)))
        rows.append(louder)
        cells = " | ".join(f"{value:+.1f} dB" for value in louder)
        print(f"| {genres.genre_name(code)} | {cells} |", flush=True)
    means = " | ".join(f"{value:+.1f} dB" for value in np.mean(rows, axis=0))
    sizes = " | ".join(f"{value:.1f} dB" for value in np.abs(rows).mean(axis=0))
    print(f"| mean | {means} |\n| mean without sign | {sizes} |")


PARTS = {"changes": changes, "accents": accents, "energy": energy, "loudness": loudness}


def main() -> None:
    """Print the parts requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--motion", type=Path, default=DANCE)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    pipeline = load_model(options.model)
    clip = read_motion(options.motion)
    for name in options.parts:
        PARTS[name](pipeline, clip, beat_grid(clip))


if __name__ == "__main__":
    main()
