"""A listening test as a folder of static files.

``DIR/page`` is what listeners get: index.html, its style and script, ``config.js`` and the sounds
under names that tell nothing. ``DIR/key.json`` says what each name is; it stays with whoever runs
the test. Nothing of the page needs a server or the network.

Design: a Latin square. List k of K (K conditions) rates condition (d m + k + j) mod K of dance d,
j = 0 ... m - 1, so that over all lists every condition of every dance is rated equally often.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kinetune import timebase
from kinetune.audio.sound import Sound, read_sound, write_sound
from kinetune.errors import ConfigError
from kinetune.files import atomic_folder, write_json, write_text
from kinetune.metrics.evaluation.baselines import click_track
from kinetune.metrics.evaluation.pairing import SOUND_SUFFIXES
from kinetune.metrics.opinion.ratings import HEADPHONE_TRIALS
from kinetune.motion import kinematics
from kinetune.motion.beats.beat_grid import BeatGrid, beat_grid
from kinetune.motion.clip import MotionClip, cut, resample
from kinetune.motion.io.formats import MOTION_SUFFIXES, read_motion
from kinetune.motion.skeleton import PARENTS
from kinetune.tasks.listening_tests import stimuli as sounds
from kinetune.tasks.requests.progress import Progress

QUALITY, CORRESPONDENCE = "quality", "correspondence"
FORMAT = "kinetune-listening-test"
_TEMPLATE = Path(__file__).parent / "page"
_PAGE_FILES = ("index.html", "style.css", "test.js")
_FIGURE_FPS, _YAW_RAD = 20.0, 0.35
_CONSENT = (
    "You will hear short pieces of music and rate them. It takes about {minutes} minutes. You need "
    "headphones and a quiet room.",
    "Taking part is voluntary; you may stop at any time by closing this page. No name and no "
    "address is asked for. Your answers stay in this browser until you save the file at the end "
    "and send it yourself.",
)


@dataclass(frozen=True)
class MakeListeningTestRequest:
    """A listening test to make.

    Attributes:
        systems: Folder of sound files of each system, by label; files of one dance share a name.
        out: Folder to write.
        reference: Folder of the original music: the hidden reference; None leaves it out.
        motions: Folder of the dances, for the scale of correspondence; None leaves it out.
        clip_s: Length of a clip, 1 to 30 s.
        dances: How many dances at most.
        per_dance: Conditions of each dance that one listener rates, in each section.
        pairs: Whether to add paired choices.
        title: Name of the test.
        consent: Paragraphs to agree to, in place of the usual ones.
        seed: Decides order and names.

    Raises:
        ConfigError: A number is out of range, or there is no system.
    """

    systems: dict[str, Path]
    out: Path
    reference: Path | None = None
    motions: Path | None = None
    clip_s: float = 10.0
    dances: int = 12
    per_dance: int = 2
    pairs: bool = False
    title: str = "Listening test"
    consent: tuple[str, ...] = field(default_factory=tuple)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.systems:
            raise ConfigError("a listening test needs a system, found none; name LABEL=FOLDER")
        if reserved := sorted(set(self.systems) & _RESERVED):
            raise ConfigError(f"a system can't be called {reserved[0]!r}; choose another label")
        for name, value, low, high in (
            ("clip", self.clip_s, 1.0, 30.0), ("dances", self.dances, 2, 200),
            ("per-dance", self.per_dance, 1, 20), ("seed", self.seed, 0, 2**31),
        ):  # fmt: skip
            if not low <= value <= high:
                raise ConfigError(f"--{name} must be {low:g} to {high:g}, found {value:g}")
        if self.pairs and len(self.systems) < 2:
            raise ConfigError("--pairs compares two systems or more, found one")


@dataclass(frozen=True)
class MakeListeningTestResult:
    """A listening test that was made.

    Attributes:
        page: The page for listeners.
        key: What each clip is; not for listeners.
        conditions: Conditions of each section.
        dances: Names of the dances.
        lists: How many different lists there are.
        minutes: How long a session lasts, about.
        size_mb: Size of the page.
    """

    page: str
    key: str
    conditions: dict[str, tuple[str, ...]]
    dances: tuple[str, ...]
    lists: int
    minutes: int
    size_mb: float


_RESERVED = {
    "reference", "anchor-3500", "anchor-7000", "random-pair", "half-beat-off", "click",
    "attention", "gold",
}  # fmt: skip


@dataclass(frozen=True)
class Stimulus:
    """A clip: its section, what it is, of which dance, and how its sound is made."""

    section: str
    condition: str
    item: str
    make: Callable[[], Sound]


def make_listening_test(
    request: MakeListeningTestRequest, *, progress: Progress | None = None
) -> MakeListeningTestResult:
    """Make a listening test.

    Args:
        request: What to make.
        progress: Called with the progress.

    Raises:
        KinetuneError: A folder lacks files, a file can't be read, or the folder can't be written.
    """
    items = _common_dances(request)
    dances = _read_dances(request, items)
    stimuli = _stimuli(request, items, dances)
    test = hashlib.sha256(f"{request.title} {request.seed} {items}".encode()).hexdigest()[:12]
    names = {id(each): _name(test, each) for each in stimuli}
    lists = _lists(request, items, stimuli, names)
    minutes = _minutes(request, lists)
    with atomic_folder(request.out, markers=("key.json",)) as folder:
        page = folder / "page"
        (page / "media").mkdir(parents=True)
        for number, each in enumerate(stimuli, start=1):
            write_sound(page / "media" / f"{names[id(each)]}.flac", each.make())
            if progress is not None:
                progress("clips", number, len(stimuli))
        headphones = _write_headphone_trials(page / "media", test, request.seed)
        config = _config(request, test, lists, dances, minutes)
        config["headphones"] = sorted(headphones)
        config["dance_of"] = {
            names[id(each)]: each.item for each in stimuli if each.section == CORRESPONDENCE
        }
        config["training"] = _training(stimuli, names)
        text = json.dumps(config, separators=(",", ":"))
        write_text(page / "config.js", f"window.LISTENING_TEST = {text};\n")
        for name in _PAGE_FILES:
            shutil.copyfile(_TEMPLATE / name, page / name)
        conditions = {
            section: tuple(_conditions(stimuli, section)) for section in _sections(stimuli)
        }
        key = {
            "format": FORMAT, "test": test, "clip_s": request.clip_s, "conditions": conditions,
            "systems": list(request.systems), "headphones": headphones,
            "stimuli": {
                names[id(each)]: {
                    "section": each.section, "condition": each.condition, "item": each.item
                }
                for each in stimuli
            },
        }  # fmt: skip
        write_json(folder / "key.json", key)
        size = sum(file.stat().st_size for file in page.rglob("*") if file.is_file())
    return MakeListeningTestResult(
        str(request.out / "page" / "index.html"), str(request.out / "key.json"), conditions,
        tuple(items), len(lists), minutes, size / 1e6,
    )  # fmt: skip


# What is at hand


def _by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder")
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes}


def _folders(request: MakeListeningTestRequest) -> dict[str, dict[str, Path]]:
    folders = {label: _by_stem(path, SOUND_SUFFIXES) for label, path in request.systems.items()}
    if request.reference is not None:
        folders["reference"] = _by_stem(request.reference, SOUND_SUFFIXES)
    return folders


def _common_dances(request: MakeListeningTestRequest) -> list[str]:
    """Names that all folders share, evenly chosen."""
    every = list(_folders(request).values())
    if request.motions is not None:
        every.append(_by_stem(request.motions, MOTION_SUFFIXES))
    shared = sorted(set.intersection(*(set(each) for each in every)))
    if len(shared) < 2:
        raise ConfigError(
            f"expected two dances or more of the same name in all {len(every)} folders, found "
            f"{len(shared)}"
        )
    order = np.random.default_rng(request.seed).permutation(len(shared))[: request.dances]
    return [shared[k] for k in sorted(order)]


def _read_dances(
    request: MakeListeningTestRequest, items: Sequence[str]
) -> dict[str, tuple[MotionClip, BeatGrid]]:
    if request.motions is None:
        return {}
    files = _by_stem(request.motions, MOTION_SUFFIXES)
    clips = {item: read_motion(files[item]) for item in items}
    return {item: (clip, beat_grid(clip)) for item, clip in clips.items()}


# What is heard


def _stimuli(
    request: MakeListeningTestRequest,
    items: Sequence[str],
    dances: dict[str, tuple[MotionClip, BeatGrid]],
) -> list[Stimulus]:
    folders = _folders(request)
    base = "reference" if "reference" in folders else next(iter(request.systems))

    def clip(label: str, item: str, start_s: float = 0.0) -> Sound:
        return sounds.clip_of(read_sound(folders[label][item]), request.clip_s, start_s=start_s)

    out = [
        Stimulus(QUALITY, label, item, partial(clip, label, item))
        for item in items
        for label in folders
    ]
    out += [
        Stimulus(
            QUALITY, f"anchor-{cutoff_hz:.0f}", item,
            lambda item=item, hz=cutoff_hz: sounds.low_passed(clip(base, item), hz),  # type: ignore[misc]
        )
        for item in items
        for cutoff_hz in sounds.ANCHORS_HZ
    ]  # fmt: skip
    for number, item in enumerate(items if dances else ()):
        out += _correspondence(request, clip, (list(folders), base), dances, item,
                               items[(number + 1) % len(items)])  # fmt: skip
    first = items[0]
    for section in _sections(out):
        out.append(
            Stimulus(section, "attention", first, lambda: sounds.attention_clip(clip(base, first)))
        )
        out.append(Stimulus(section, "gold", first, lambda: sounds.gold_clip(clip(base, first))))
    return [each for each in out if not (each.section != QUALITY and each.condition == "gold")]


def _correspondence(
    request: MakeListeningTestRequest,
    clip: Callable[..., Sound],
    labels: tuple[list[str], str],
    dances: dict[str, tuple[MotionClip, BeatGrid]],
    item: str,
    other: str,
) -> list[Stimulus]:
    """Systems with the dancer, and the anchors of correspondence."""
    grid, base = dances[item][1], labels[1]
    half_s = 0.5 * timebase.beat_period_s(grid.bpm)

    def clicks() -> Sound:
        return sounds.clip_of(click_track(grid.beats_s, request.clip_s), request.clip_s)

    makers: list[tuple[str, Callable[[], Sound]]] = [
        (label, partial(clip, label, item)) for label in labels[0]
    ]
    makers += [
        ("random-pair", lambda: clip(base, other)),
        ("half-beat-off", lambda: clip(base, item, -half_s)),
        ("click", clicks),
    ]
    return [Stimulus(CORRESPONDENCE, condition, item, make) for condition, make in makers]


def _sections(stimuli: Sequence[Stimulus]) -> list[str]:
    present = {each.section for each in stimuli}
    return [section for section in (QUALITY, CORRESPONDENCE) if section in present]


def _conditions(stimuli: Sequence[Stimulus], section: str) -> list[str]:
    checks = ("attention", "gold")
    named = [e.condition for e in stimuli if e.section == section and e.condition not in checks]
    return list(dict.fromkeys(named))


def _name(test: str, each: Stimulus) -> str:
    """A name that tells nothing to who lacks the key."""
    text = f"{test} {each.section} {each.condition} {each.item}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write_headphone_trials(media: Path, test: str, seed: int) -> dict[str, int]:
    """Six trials, each of the softest tones twice; returns the right answer of each."""
    rng = np.random.default_rng([seed, 6])
    answers = {}
    for number in range(HEADPHONE_TRIALS):
        softest = number % 3
        antiphase = (softest + 1 + int(rng.integers(2))) % 3
        name = hashlib.sha256(f"{test} headphones {number}".encode()).hexdigest()[:16]
        write_sound(media / f"{name}.flac", sounds.headphone_trial(softest, antiphase))
        answers[name] = softest
    return answers


# Who hears what


def latin_square(dances: int, conditions: int, per_dance: int) -> list[list[tuple[int, int]]]:
    """Return lists of (dance, condition), one list for each condition; see the module.

    Args:
        dances: How many dances.
        conditions: How many conditions.
        per_dance: Conditions of each dance in a list, at most all.
    """
    count = min(per_dance, conditions)
    return [
        [
            (dance, (dance * count + k + j) % conditions)
            for dance in range(dances)
            for j in range(count)
        ]
        for k in range(conditions)
    ]


def _lists(
    request: MakeListeningTestRequest,
    items: Sequence[str],
    stimuli: Sequence[Stimulus],
    names: dict[int, str],
) -> list[dict[str, Any]]:
    index = {(e.section, e.condition, e.item): names[id(e)] for e in stimuli}
    checks = {
        section: [
            names[id(e)]
            for e in stimuli
            if e.section == section and e.condition in ("attention", "gold")
        ]
        for section in _sections(stimuli)
    }
    squares = {
        section: latin_square(len(items), len(_conditions(stimuli, section)), request.per_dance)
        for section in _sections(stimuli)
    }
    count = int(np.lcm.reduce([len(square) for square in squares.values()]))
    lists: list[dict[str, Any]] = []
    for k in range(count):
        one: dict[str, Any] = {}
        for section, square in squares.items():
            conditions = _conditions(stimuli, section)
            chosen = [
                index[section, conditions[condition], items[dance]]
                for dance, condition in square[k % len(square)]
            ]
            # By name, so that the order tells nothing; the page shuffles them.
            one[section] = sorted(chosen + checks[section])
        one["pairs"] = _pairs(request, items, index, k) if request.pairs else []
        lists.append(one)
    return lists


def _pairs(
    request: MakeListeningTestRequest,
    items: Sequence[str],
    index: dict[tuple[str, str, str], str],
    k: int,
) -> list[list[str]]:
    """A pair of systems for each dance; the pairs rotate over dances and lists, sides too."""
    section = CORRESPONDENCE if request.motions is not None else QUALITY
    labels = list(request.systems)
    every = [(a, b) for n, a in enumerate(labels) for b in labels[n + 1 :]]
    out = []
    for number, item in enumerate(items):
        pair = [index[section, label, item] for label in every[(number + k) % len(every)]]
        out.append(pair if (number + k // len(every)) % 2 == 0 else pair[::-1])
    return out


def _training(stimuli: Sequence[Stimulus], names: dict[int, str]) -> list[str]:
    """Three clips to try the scale on: bad, poor and good."""
    first = stimuli[0]
    wanted = ("gold", "anchor-3500", first.condition)
    return [
        next(names[id(e)] for e in stimuli if e.section == QUALITY and e.condition == condition)
        for condition in wanted
    ]


def _minutes(request: MakeListeningTestRequest, lists: Sequence[dict[str, Any]]) -> int:
    one = lists[0]
    clips = sum(len(one.get(section, ())) for section in (QUALITY, CORRESPONDENCE)) + 3
    return int(np.ceil((clips + 2 * len(one["pairs"])) * (request.clip_s + 5.0) / 60.0 + 3.0))


def _config(
    request: MakeListeningTestRequest,
    test: str,
    lists: Sequence[dict[str, Any]],
    dances: dict[str, tuple[MotionClip, BeatGrid]],
    minutes: int,
) -> dict[str, Any]:
    consent = request.consent or tuple(text.format(minutes=minutes) for text in _CONSENT)
    return {
        "format": FORMAT,
        "test": test,
        "title": request.title,
        "consent": list(consent),
        "minutes": minutes,
        "clip_s": request.clip_s,
        "lists": list(lists),
        "parents": list(PARENTS),
        "dances": {item: _figure(clip, request.clip_s) for item, (clip, _) in dances.items()},
    }


def _figure(clip: MotionClip, duration_s: float) -> dict[str, Any]:
    """Joints seen from the front, a little from the side: whole millimetres, 20 frames a second."""
    part = resample(cut(clip, 0.0, min(duration_s, clip.duration_s)), _FIGURE_FPS)
    positions = kinematics.joint_positions(part)
    across = positions[..., 0] * np.cos(_YAW_RAD) + positions[..., 2] * np.sin(_YAW_RAD)
    flat = np.stack([across, positions[..., 1]], axis=-1)
    flat[..., 0] -= 0.5 * (flat[..., 0].min() + flat[..., 0].max())
    flat[..., 1] -= flat[..., 1].min()
    return {"fps": _FIGURE_FPS, "mm": np.round(1000.0 * flat).astype(int).reshape(-1).tolist()}
