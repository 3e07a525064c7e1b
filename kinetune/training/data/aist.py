"""The AIST++ training set with the paper's slices.

Official layout: ``motions/*.pkl``, ``splits/crossmodal_train.txt`` and ``ignore_list.txt`` (also
found at the top), and the music either one WAV a sequence (``wavs/gBR_..._ch01.wav``, as EDGE's
script leaves it) or one a piece of music (``music/mBR0.wav``). Names on the ignore list are
dropped. The official cross-modal test names are held out; names on neither list are left out.

A name reads gBR_sBM_cAll_d04_mBR2_ch08: genre, situation, cameras, dancer, music, choreography.
The music's digit is its tempo: 0 to 5 are 80 to 130 bpm, for house 110 to 135.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kinetune import timebase
from kinetune.audio.sound import read_sound
from kinetune.errors import ConfigError
from kinetune.motion.io.formats import read_motion
from kinetune.training.data.prepare import PreparedSet, Progress, TrainingPair, write_prepared

# 5 s slices every 0.5 s (paper, section 4.1, and its code).
SLICE_S = 5.0
STRIDE_S = 0.5
_NAME = re.compile(r"g[A-Z]{2}_s[A-Z]{2}_c[A-Za-z0-9]+_d[0-9]+_m[A-Z]{2}[0-9]_ch[0-9]+")
_MUSIC_FOLDERS = ("wavs", "music", "audio", ".")


@dataclass(frozen=True)
class AistSummary:
    """What came of preparing AIST++.

    Attributes:
        prepared: The prepared set.
        slices: Training slices of 5 s in it.
        ignored: Names dropped because they stand on the ignore list.
        without_music: Names dropped because motion or music was not found.
    """

    prepared: PreparedSet
    slices: int
    ignored: int
    without_music: int


def prepare_aist(
    root: Path, out: Path, *, features: str = "paper", progress: Progress | None = None
) -> AistSummary:
    """Build the AIST++ training set from the official layout.

    Args:
        root: Folder of the data set.
        out: Where the prepared set goes.
        features: ``paper`` or ``rhythm``.
        progress: Called after every sequence.

    Raises:
        ConfigError: A list is missing, or no sequence has both motion and music.
    """
    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder; expected AIST++ with motions/ and splits/")
    train = read_names(_find_list(root, "crossmodal_train.txt"))
    test = read_names(_find_list(root, "crossmodal_test.txt"))
    ignore = set(read_names(_find_list(root, "ignore_list.txt")))
    readers: list[Callable[[], TrainingPair]] = []
    ignored = missing = 0
    for name, held_out in [(n, False) for n in train] + [(n, True) for n in test]:
        motion, music = root / "motions" / f"{name}.pkl", music_path(root, name)
        if name in ignore:
            ignored += 1
        elif music is None or not motion.is_file():
            missing += 1
        else:
            readers.append(_reader(name, motion, music, held_out))
    prepared = write_prepared(readers, out, features=features, progress=progress)
    slices = sum(slice_count(item.duration_s) for item in prepared.items if not item.held_out)
    return AistSummary(prepared, slices, ignored, missing)


def read_names(path: Path) -> list[str]:
    """Return the names of a list file, one a line.

    Raises:
        ConfigError: The file can't be read, or a line is no name of AIST++.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: can't be read ({error})") from error
    names = [line.strip() for line in lines if line.strip()]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"{path}: expected names such as gBR_sBM_cAll_d04_mBR2_ch08, found {name[:80]!r}"
            )
    return names


def music_path(root: Path, name: str) -> Path | None:
    """Return the WAV of a sequence: its own, or that of its piece of music."""
    for folder in _MUSIC_FOLDERS:
        for stem in (name, name.split("_")[4]):
            path = root / folder / f"{stem}.wav"
            if path.is_file():
                return path
    return None


def tempo_from_name(name: str) -> float:
    """Return the tempo of a sequence's music, beats per minute, identified by its name."""
    music = name.split("_")[4]
    digit = int(music[-1])
    return 110.0 + 5.0 * digit if music[1:3] == "HO" else 80.0 + 10.0 * digit


def slice_count(duration_s: float) -> int:
    """Return how many 5 s slices every 0.5 s a duration holds."""
    return max(0, int((duration_s - SLICE_S + 1e-6) // STRIDE_S) + 1)


def _reader(name: str, motion: Path, music: Path, held_out: bool) -> Callable[[], TrainingPair]:
    def read() -> TrainingPair:
        clip = read_motion(motion)
        # Basic dances begin on a beat; for the others only the tempo is known, not the phase.
        basic = "_sBM_" in name
        beats = (
            timebase.beat_times(tempo_from_name(name), 0.0, clip.duration_s)
            if basic
            else np.empty(0)
        )
        sound = read_sound(music)
        beats_s = tuple(beats.tolist())
        return TrainingPair(name, name[1:3], clip, sound, beats_s, 0.0, held_out)

    return read


def _find_list(root: Path, name: str) -> Path:
    for path in (root / "splits" / name, root / name, root / "motions" / name):
        if path.is_file():
            return path
    raise ConfigError(f"{root}: {name} not found in splits/ or at the top; it is part of AIST++")
