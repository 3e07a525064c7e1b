"""Metrics that listen through a network: genre, and distances between sets of embeddings.

Conventions: sounds are those of ``metrics.listening``, at the dance's length. An embedding gives
frames (n, D) for a sound; a row's set is the frames of all its dances, against those of the same
dances' references. Networks are loaded only when asked for, so that the rest stays light.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinetune import genres
from kinetune.audio.sound import Sound, read_sound
from kinetune.errors import AudioError, MetricError
from kinetune.metrics.evaluation import baselines
from kinetune.metrics.evaluation.pairing import Problem
from kinetune.metrics.evaluation.runner import ClipAnalysis, Progress, baseline_audio, pad_or_crop
from kinetune.metrics.evaluation.scores import Values, columns, mean_over_takes
from kinetune.motion.clip import cut
from kinetune.motion.io.formats import read_motion

if TYPE_CHECKING:
    from kinetune.metrics.networks.ms_sincresnet import MsSincResNet

Array = NDArray[np.float64]
# The extrapolation starts from subsets of 500 frames, and needs twice as many.
_FRAMES_FOR_INFINITY = 1000
# What every ear hears, by ear, label and dance; one array a take.
_Outputs = dict[str, dict[str, dict[str, list[NDArray]]]]


@dataclass(frozen=True)
class NetworkOptions:
    """Which networks listen.

    Attributes:
        embeddings: Names of embeddings, or ``NAME=FILE`` with weights of one's own.
        genre: Whether the genre classifier does.
        ms_sincresnet: Weights of MS-SincResNet, for the published genre divergence.
    """

    embeddings: tuple[str, ...] = ()
    genre: bool = True
    ms_sincresnet: Path | None = None


@dataclass(frozen=True, eq=False)
class SetStatistic:
    """A distance between the sets of some dances and of their references.

    Attributes:
        names: The dances in the set, ascending.
        distance: The distance for a choice of them, by number.
    """

    names: tuple[str, ...]
    distance: Callable[[NDArray[np.int64]], float]


@dataclass(frozen=True, eq=False)
class NetworkScores:
    """What the networks say.

    Attributes:
        values: Values of metrics that are told dance by dance.
        sets: Distances by label and metric.
        problems: Sounds a network could not use.
        notes: What else must be said, a line each.
    """

    values: Values = field(default_factory=dict)
    sets: dict[str, dict[str, SetStatistic]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def parse_embedding(text: str) -> tuple[str, Path | None]:
    """Return an embedding's name and its weights, from ``NAME`` or ``NAME=FILE``."""
    name, _, weights = text.partition("=")
    return name, Path(weights) if weights else None


def load_embedders(networks: NetworkOptions) -> dict[str, Callable[[Sound], NDArray]]:
    """Return what listens, by name: embeddings, and ``genre_kld`` and the published one.

    Raises:
        ConfigError: No such embedding.
        ModelError: Weights are missing or don't fit.
    """
    embedders: dict[str, Callable[[Sound], NDArray]] = {}
    if networks.embeddings:
        from kinetune.metrics.networks.embeddings import embedding_named

        for text in networks.embeddings:
            name, weights = parse_embedding(text)
            embedders[f"fad_{name}"] = embedding_named(name, weights=weights)
    if networks.genre:
        from kinetune.metrics.genre import genre_probabilities

        embedders["genre_kld"] = genre_probabilities
    if networks.ms_sincresnet is not None:
        from kinetune.metrics.networks.ms_sincresnet import load_ms_sincresnet

        embedders["genre_kld_as_published"] = _published(load_ms_sincresnet(networks.ms_sincresnet))
    return embedders


def _published(network: "MsSincResNet") -> Callable[[Sound], NDArray]:
    from kinetune.metrics.published_genre import published_logits

    return lambda sound: np.asarray(published_logits([sound], network)[0])


def network_scores(
    analyses: Sequence[ClipAnalysis],
    labels: Sequence[str],
    embedders: dict[str, Callable[[Sound], NDArray]],
    *,
    draws: int,
    seed: int,
    progress: Progress | None = None,
) -> NetworkScores:
    """Return what the networks say of every row.

    Args:
        analyses: All dances.
        labels: The rows; that of random pairs takes the references' figures.
        embedders: As of :func:`load_embedders`.
        draws: How many random partners a dance has.
        seed: Of the noise and of the random partners.
        progress: Called with (dances done, dances in all).
    """
    scores = NetworkScores()
    if not embedders:
        return scores
    heard: _Outputs = {embedder: {label: {} for label in labels} for embedder in embedders}
    for done, one in enumerate(analyses, start=1):
        scores.problems.extend(_apply_embedders(embedders, one, labels, heard, seed))
        if progress is not None:
            progress(done, len(analyses))
    for embedder, by_label in heard.items():
        if embedder.startswith("fad_"):
            _add_sets(scores, embedder.removeprefix("fad_"), by_label)
        else:
            _add_genre(scores, embedder, by_label, analyses, draws=draws, seed=seed)
    return scores


def _apply_embedders(
    embedders: dict[str, Callable[[Sound], NDArray]],
    one: ClipAnalysis,
    labels: Sequence[str],
    heard: _Outputs,
    seed: int,
) -> list[Problem]:
    """Add what every ear hears in a dance's sounds; return what could not be heard."""
    problems = []
    for label, sound in scored_sounds(one, labels, seed=seed):
        for embedder, hears in embedders.items():
            try:
                found = hears(sound)
                heard[embedder][label].setdefault(one.clip.name, []).append(found)
            except (AudioError, MetricError) as error:
                problems.append(Problem(label, one.clip.name, f"unheard by {embedder}", str(error)))
    return problems


def scored_sounds(
    one: ClipAnalysis, labels: Sequence[str], *, seed: int
) -> Iterator[tuple[str, Sound]]:
    """Yield every sound of a dance that was judged, by label, at the dance's length."""
    for label in labels:
        for path in one.paths.get(label, ()):
            yield label, pad_or_crop(read_sound(path), one.duration_s)
    if one.audio:
        yield from _baseline_sounds(one, labels, seed)


def _baseline_sounds(
    one: ClipAnalysis, labels: Sequence[str], seed: int
) -> Iterator[tuple[str, Sound]]:
    motion = None
    if one.clip.motion is not None and one.motion is not None:
        motion = cut(read_motion(one.clip.motion), 0.0, one.duration_s)
    annotated = one.clip.beats is not None and one.reference_beats_s is not None
    made = baseline_audio(
        one.clip.name, motion, one.reference_beats_s, annotated, one.duration_s, seed
    )
    yield from ((label, sound) for label, sound in made if label in labels)


def _add_genre(
    scores: NetworkScores,
    embedder: str,
    by_label: dict[str, dict[str, list[NDArray]]],
    analyses: Sequence[ClipAnalysis],
    *,
    draws: int,
    seed: int,
) -> None:
    references = {name: found[0] for name, found in by_label.get(baselines.REFERENCE, {}).items()}
    for label, by_name in by_label.items():
        rows = []
        for one in analyses:
            name = one.clip.name
            takes = by_name.get(name, [])
            if label == baselines.RANDOM and one.audio:
                partners = baselines.random_partners(
                    sorted(references), name, draws=draws, seed=seed
                )
                takes = [references[partner] for partner in partners]
            said = [
                _score_genre(embedder, take, references.get(name), one.clip.genre) for take in takes
            ]
            rows.append(mean_over_takes(said))
        scores.values.setdefault(label, {}).update(columns(rows))


def _score_genre(
    embedder: str, found: NDArray, reference: NDArray | None, genre: str | None
) -> dict[str, float]:
    out: dict[str, float] = {}
    if embedder == "genre_kld_as_published":
        if reference is not None:
            from kinetune.metrics.published_genre import genre_kld_as_published

            out[embedder] = genre_kld_as_published(reference[None], found[None]).value
        return out
    from kinetune.metrics.genre import kl_divergence

    if reference is not None:
        out[embedder] = kl_divergence(reference, found)
    if genre is not None:
        out["genre_accuracy"] = float(int(np.argmax(found)) == genres.genre_index(genre))
    return out


def _add_sets(
    scores: NetworkScores, name: str, by_label: dict[str, dict[str, list[NDArray]]]
) -> None:
    references = by_label.get(baselines.REFERENCE, {})
    rows, dimensions = {}, 0
    for label, by_name in by_label.items():
        shared = tuple(sorted(set(by_name) & set(references)))
        # Random pairs are the same set, and a set is no distance from itself.
        if label in (baselines.RANDOM, baselines.REFERENCE) or not shared:
            continue
        theirs = [np.concatenate(references[clip]) for clip in shared]
        ours = [np.concatenate(by_name[clip]) for clip in shared]
        out = scores.sets.setdefault(label, {})
        out[f"fad_{name}"] = SetStatistic(shared, _distance("fad", theirs, ours))
        out[f"kad_{name}"] = SetStatistic(shared, _distance("kad", theirs, ours))
        rows[label] = sum(map(len, ours))
        if rows[label] >= _FRAMES_FOR_INFINITY:
            endless = SetStatistic(shared, _distance("infinity", theirs, ours))
            out[f"fad_{name}_at_infinity"] = endless
        dimensions = ours[0].shape[1]
    few = {label: count for label, count in rows.items() if count < 2 * dimensions}
    if few:
        said = ", ".join(f"{label} {count}" for label, count in few.items())
        scores.notes.append(
            f"fad_{name}: too few frames for {dimensions} dimensions ({said}), so the covariance "
            f"is poor and the distance too large; kad_{name} has no such bias"
        )


def _distance(
    name: str, theirs: Sequence[NDArray], ours: Sequence[NDArray]
) -> Callable[[NDArray[np.int64]], float]:
    """The named distance of a choice of dances; NaN where too few frames are left."""
    from kinetune.metrics.distances import (
        frechet_distance,
        frechet_distance_at_infinity,
        kernel_distance,
    )

    def kernel(a: NDArray, b: NDArray, chosen: NDArray[np.int64]) -> float:
        # Frames of one clip resemble each other: they are no pairs of independent draws.
        clips = [
            np.repeat(chosen, [len(frames[k]) for k in chosen]) if len(set(chosen)) > 1 else None
            for frames in (theirs, ours)
        ]
        return kernel_distance(a, b, clips_a=clips[0], clips_b=clips[1])

    measures: dict[str, Callable[[NDArray, NDArray, NDArray[np.int64]], float]] = {
        "fad": lambda a, b, _: frechet_distance(a, b),
        "infinity": lambda a, b, _: frechet_distance_at_infinity(a, b),
        "kad": kernel,
    }
    measure = measures[name]

    def distance(chosen: NDArray[np.int64]) -> float:
        a, b = (np.concatenate([frames[k] for k in chosen]) for frames in (theirs, ours))
        with warnings.catch_warnings():
            # Small samples are told in the notes.
            warnings.simplefilter("ignore")
            try:
                return float(measure(a, b, chosen))
            except MetricError:
                return float("nan")

    return distance
