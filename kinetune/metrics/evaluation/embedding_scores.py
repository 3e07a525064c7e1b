"""Metrics that need a network: genre, and distances between sets of embeddings.

Conventions: sounds are those of :mod:`kinetune.metrics.evaluation.runner`, at the dance's length.
An embedder maps a sound to frames (n, D); a row's set is the frames of all its dances, compared
with those of the same dances' references. Networks are loaded only when requested.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from kinetune.metrics.evaluation.runner import (
    UNUSABLE,
    WORKER_DIED,
    ClipAnalysis,
    Mapper,
    Progress,
    baseline_audio,
    pad_or_crop,
)
from kinetune.metrics.evaluation.scores import Values, columns, mean_over_variations
from kinetune.motion.clip import cut
from kinetune.motion.io.formats import read_motion

if TYPE_CHECKING:
    from kinetune.metrics.networks.ms_sincresnet import MsSincResNet

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Embedder = Callable[[Sound], NDArray]
# Of the embedder of music for the motion-music similarity.
SIMILARITY = "similarity"
# The extrapolation starts from subsets of 500 frames and needs twice as many.
_FRAMES_FOR_INFINITY = 1000
# Outputs of one embedder by label and dance, one array a variation.
_Outputs = dict[str, dict[str, list[NDArray]]]


@dataclass(frozen=True)
class NetworkOptions:
    """Which networks to apply.

    Attributes:
        embeddings: Names of embeddings, or ``NAME=FILE`` with weights of one's own.
        genre: Whether to apply the genre classifier.
        ms_sincresnet: Weights of MS-SincResNet, for the published genre divergence.
        similarity: Whether to apply the motion-music similarity network.
    """

    embeddings: tuple[str, ...] = ()
    genre: bool = True
    ms_sincresnet: Path | None = None
    similarity: bool = True


@dataclass(frozen=True, eq=False)
class SetStatistic:
    """A distance between the sets of some dances and of their references.

    Attributes:
        names: The dances in the set, ascending.
        distance: The distance for a choice of them, by index.
    """

    names: tuple[str, ...]
    distance: Callable[[Indices], float]


@dataclass(frozen=True, eq=False)
class NetworkScores:
    """The scores that need a network.

    Attributes:
        values: Values of metrics that have one a dance.
        sets: Distances by label and metric.
        problems: Sounds a network could not use.
        notes: Warnings about the figures, a line each.
    """

    values: Values = field(default_factory=dict)
    sets: dict[str, dict[str, SetStatistic]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class ClipEmbeddings:
    """What the networks make of the sounds of one dance.

    Attributes:
        outputs: By embedder and label, one array a variation.
        problems: Sounds a network could not use.
    """

    outputs: dict[str, dict[str, list[NDArray]]]
    problems: tuple[Problem, ...] = ()


class ClipEmbedder:
    """Applies networks to the sounds of a dance; they are loaded where it is first called.

    Args:
        networks: Which.
        labels: The rows.
        seed: Of the noise.
    """

    def __init__(self, networks: NetworkOptions, labels: Sequence[str], seed: int) -> None:
        self._networks, self._labels, self._seed = networks, tuple(labels), seed
        self._embedders: dict[str, Embedder] | None = None

    def __call__(self, analysis: ClipAnalysis) -> ClipEmbeddings:
        """Return the outputs for one dance."""
        if self._embedders is None:
            self._embedders = load_embedders(self._networks)
        return embed_clip(self._embedders, analysis, self._labels, seed=self._seed)


def embeddings_on(
    mapper: Mapper,
    embedder: ClipEmbedder,
    analyses: Sequence[ClipAnalysis],
    progress: Progress | None = None,
) -> list[ClipEmbeddings]:
    """Return the outputs for all dances, computed on other machines.

    Args:
        mapper: Where.
        embedder: What computes them.
        analyses: All dances.
        progress: Called with (dances done, dances in all).
    """
    return [
        _lost(analysis) if made is None else made
        for analysis, made in zip(analyses, mapper(embedder, analyses, progress), strict=True)
    ]


def _lost(analysis: ClipAnalysis) -> ClipEmbeddings:
    """What is known of a dance whose worker died each time."""
    name = analysis.clip.name
    detail = f"{name}: {WORKER_DIED}"
    problems = (Problem(label, name, UNUSABLE, detail) for label in analysis.paths)
    return ClipEmbeddings({}, tuple(problems))


def parse_embedding(text: str) -> tuple[str, Path | None]:
    """Return an embedding's name and its weights, from ``NAME`` or ``NAME=FILE``."""
    name, _, weights = text.partition("=")
    return name, Path(weights) if weights else None


def load_embedders(networks: NetworkOptions) -> dict[str, Embedder]:
    """Return the embedders by metric.

    They are ``fad_NAME``, ``genre_kld``, ``genre_kld_as_published`` and ``similarity``.

    Raises:
        ConfigError: No such embedding.
        ModelError: Weights are missing or don't fit.
    """
    embedders: dict[str, Embedder] = {}
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
    if networks.similarity:
        from kinetune.metrics.similarity import music_vectors

        embedders[SIMILARITY] = music_vectors
    return embedders


def _published(network: "MsSincResNet") -> Embedder:
    from kinetune.metrics.published_genre import published_logits

    return lambda sound: np.asarray(published_logits([sound], network)[0])


def network_scores(
    analyses: Sequence[ClipAnalysis],
    labels: Sequence[str],
    embedders: dict[str, Embedder],
    *,
    draws: int,
    seed: int,
    progress: Progress | None = None,
    embedded: Iterable[ClipEmbeddings] | None = None,
) -> NetworkScores:
    """Return every row's scores that need a network.

    Args:
        analyses: All dances.
        labels: The rows; random pairs take the references' outputs.
        embedders: Of :func:`load_embedders`.
        draws: Random partners a dance.
        seed: Of the noise and of the random partners.
        progress: Called with (dances done, dances in all).
        embedded: The embedders' outputs for all dances; computed here if None.
    """
    scores = NetworkScores()
    if not embedders:
        return scores
    if embedded is None:
        embedded = (embed_clip(embedders, each, labels, seed=seed) for each in analyses)
    outputs = _collect(scores, labels, list(embedders), analyses, embedded, progress)
    for embedder, by_label in outputs.items():
        if embedder.startswith("fad_"):
            _add_sets(scores, embedder.removeprefix("fad_"), by_label)
        elif embedder == SIMILARITY:
            _add_similarity(scores, by_label, analyses, draws=draws, seed=seed)
        else:
            _add_genre(scores, embedder, by_label, analyses, draws=draws, seed=seed)
    return scores


def _collect(
    scores: NetworkScores,
    labels: Sequence[str],
    metrics: Sequence[str],
    analyses: Sequence[ClipAnalysis],
    embedded: Iterable[ClipEmbeddings],
    progress: Progress | None,
) -> dict[str, _Outputs]:
    """Return all outputs by embedder, label and dance; add their problems to the scores."""
    outputs: dict[str, _Outputs] = {metric: {label: {} for label in labels} for metric in metrics}
    for done, (analysis, made) in enumerate(zip(analyses, embedded, strict=True), start=1):
        scores.problems.extend(made.problems)
        for metric, by_label in made.outputs.items():
            for label, variations in by_label.items():
                outputs[metric][label][analysis.clip.name] = variations
        if progress is not None:
            progress(done, len(analyses))
    return outputs


def embed_clip(
    embedders: dict[str, Embedder], analysis: ClipAnalysis, labels: Sequence[str], *, seed: int
) -> ClipEmbeddings:
    """Return every embedder's outputs for a dance's sounds, and what could not be embedded.

    Args:
        embedders: Of :func:`load_embedders`.
        analysis: The dance.
        labels: The rows.
        seed: Of the noise.
    """
    outputs: dict[str, dict[str, list[NDArray]]] = {metric: {} for metric in embedders}
    problems = []
    name = analysis.clip.name
    for label, sound in scored_sounds(analysis, labels, seed=seed):
        for metric, embed in embedders.items():
            if metric == SIMILARITY and analysis.motion is None:
                continue
            try:
                output = embed(sound)
            except (AudioError, MetricError) as error:
                problems.append(Problem(label, name, f"no {metric}", str(error)))
                continue
            outputs[metric].setdefault(label, []).append(output)
    return ClipEmbeddings(outputs, tuple(problems))


def scored_sounds(
    analysis: ClipAnalysis, labels: Sequence[str], *, seed: int
) -> Iterator[tuple[str, Sound]]:
    """Yield every sound of a dance that was analysed, by label, at the dance's length."""
    for label in labels:
        for path in analysis.paths.get(label, ()):
            yield label, pad_or_crop(read_sound(path), analysis.duration_s)
    if analysis.audio:
        yield from _baseline_sounds(analysis, labels, seed)


def _baseline_sounds(
    analysis: ClipAnalysis, labels: Sequence[str], seed: int
) -> Iterator[tuple[str, Sound]]:
    motion = None
    if analysis.clip.motion is not None and analysis.motion is not None:
        motion = cut(read_motion(analysis.clip.motion), 0.0, analysis.duration_s)
    beats_s = analysis.reference_beats_s
    annotated = analysis.clip.beats is not None and beats_s is not None
    sounds = baseline_audio(
        analysis.clip.name, motion, beats_s, annotated, analysis.duration_s, seed
    )
    yield from ((label, sound) for label, sound in sounds if label in labels)


def _add_genre(
    scores: NetworkScores,
    metric: str,
    by_label: _Outputs,
    analyses: Sequence[ClipAnalysis],
    *,
    draws: int,
    seed: int,
) -> None:
    by_name = by_label.get(baselines.REFERENCE, {})
    references = {name: outputs[0] for name, outputs in by_name.items()}
    for label, by_name in by_label.items():
        rows = []
        for analysis in analyses:
            clip = analysis.clip
            variations = by_name.get(clip.name, [])
            if label == baselines.RANDOM and analysis.audio:
                partners = baselines.random_partners(
                    sorted(references), clip.name, draws=draws, seed=seed
                )
                variations = [references[partner] for partner in partners]
            reference = references.get(clip.name)
            rows.append(
                mean_over_variations(
                    [_score_genre(metric, each, reference, clip.genre) for each in variations]
                )
            )
        scores.values.setdefault(label, {}).update(columns(rows))


def _add_similarity(
    scores: NetworkScores,
    by_label: _Outputs,
    analyses: Sequence[ClipAnalysis],
    *,
    draws: int,
    seed: int,
) -> None:
    from kinetune.metrics.evaluation.similarity_scores import similarity_values

    values = similarity_values(by_label, analyses, draws=draws, seed=seed)
    for label, row in values.items():
        scores.values.setdefault(label, {}).update(row)


def _score_genre(
    metric: str, output: NDArray, reference: NDArray | None, genre: str | None
) -> dict[str, float]:
    """Genre scores of one variation: ``output`` are logits as published, probabilities else."""
    scores: dict[str, float] = {}
    if metric == "genre_kld_as_published":
        if reference is not None:
            from kinetune.metrics.published_genre import genre_kld_as_published

            scores[metric] = genre_kld_as_published(reference[None], output[None]).value
        return scores
    from kinetune.metrics.genre import kl_divergence

    if reference is not None:
        scores[metric] = kl_divergence(reference, output)
    if genre is not None:
        scores["genre_accuracy"] = float(int(np.argmax(output)) == genres.genre_index(genre))
    return scores


def _add_sets(scores: NetworkScores, name: str, by_label: _Outputs) -> None:
    references = by_label.get(baselines.REFERENCE, {})
    frame_counts: dict[str, int] = {}
    dimensions = 0
    for label, by_name in by_label.items():
        shared = tuple(sorted(set(by_name) & set(references)))
        # Random pairs are the reference set itself, at distance 0.
        if label in (baselines.RANDOM, baselines.REFERENCE) or not shared:
            continue
        reference = [np.concatenate(references[clip]) for clip in shared]
        generated = [np.concatenate(by_name[clip]) for clip in shared]
        frame_counts[label] = sum(map(len, generated))
        dimensions = generated[0].shape[1]
        kinds = {"fad": f"fad_{name}", "kad": f"kad_{name}"}
        if frame_counts[label] >= _FRAMES_FOR_INFINITY:
            kinds["infinity"] = f"fad_{name}_at_infinity"
        scores.sets.setdefault(label, {}).update(
            {
                metric: SetStatistic(shared, _distance(kind, reference, generated))
                for kind, metric in kinds.items()
            }
        )
    few = {label: count for label, count in frame_counts.items() if count < 2 * dimensions}
    if few:
        counts = ", ".join(f"{label} {count}" for label, count in few.items())
        scores.notes.append(
            f"fad_{name}: too few frames for {dimensions} dimensions ({counts}), so the covariance "
            f"is poorly estimated and the distance too large; kad_{name} has no such bias"
        )


def _distance(
    kind: str, reference: Sequence[NDArray], generated: Sequence[NDArray]
) -> Callable[[Indices], float]:
    """The distance of a choice of dances, by index; NaN where too few frames are left."""
    from kinetune.metrics.distances import frechet_distance, frechet_distance_at_infinity

    measures: dict[str, Callable[[Indices], float]] = {
        "fad": lambda chosen: frechet_distance(*_pooled(reference, generated, chosen)),
        "infinity": lambda chosen: frechet_distance_at_infinity(
            *_pooled(reference, generated, chosen)
        ),
        "kad": lambda chosen: _kernel_distance(reference, generated, chosen),
    }
    measure = measures[kind]

    def distance(chosen: Indices) -> float:
        with warnings.catch_warnings():
            # Small samples are reported in the notes.
            warnings.simplefilter("ignore")
            try:
                return float(measure(chosen))
            except MetricError:
                return float("nan")

    return distance


def _pooled(
    reference: Sequence[NDArray], generated: Sequence[NDArray], chosen: Indices
) -> tuple[NDArray, NDArray]:
    """The frames (N, D) and (n, D) of the chosen dances."""
    a, b = (np.concatenate([frames[k] for k in chosen]) for frames in (reference, generated))
    return a, b


def _kernel_distance(
    reference: Sequence[NDArray], generated: Sequence[NDArray], chosen: Indices
) -> float:
    """The kernel distance without pairs of frames of one clip, which are not independent."""
    from kinetune.metrics.distances import kernel_distance

    clips = [
        np.repeat(chosen, [len(frames[k]) for k in chosen]) if len(set(chosen)) > 1 else None
        for frames in (reference, generated)
    ]
    a, b = _pooled(reference, generated, chosen)
    return kernel_distance(a, b, clips_a=clips[0], clips_b=clips[1])
