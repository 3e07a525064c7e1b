"""The metrics by name: direction, description, requirements. Definitions: docs/metrics.md."""

from dataclasses import dataclass

from kinetune.errors import MetricError

HIGHER, LOWER, NEITHER = "higher", "lower", ""


@dataclass(frozen=True)
class Metric:
    """One metric of the table.

    Attributes:
        name: As in ``results.json``.
        better: ``higher``, ``lower``, or nothing where no direction is better.
        description: What it measures, in a few words.
        requires: What must be given: ``reference``, ``motions``, ``beats``, ``genres`` or
            ``variations``.
        title: As in a heading; the name where left out.
    """

    name: str
    better: str
    description: str
    requires: str = ""
    title: str = ""

    @property
    def arrow(self) -> str:
        """The better direction as an arrow."""
        return {HIGHER: " ↑", LOWER: " ↓", NEITHER: ""}[self.better]


METRICS: tuple[Metric, ...] = (
    Metric("bcs_as_published", HIGHER, "seconds with an onset, against the reference's",
           "reference", "Beats coverage score"),
    Metric("bhs_as_published", HIGHER, "seconds of the reference's onsets that hold one",
           "reference", "Beats hit score"),
    Metric("loris_coverage", HIGHER, "the same by LORIS: precision", "reference"),
    Metric("loris_hit", HIGHER, "the same by LORIS: recall", "reference"),
    Metric("loris_csd", LOWER, "spread of LORIS coverage over dances", "reference"),
    Metric("loris_hsd", LOWER, "spread of LORIS hit over dances", "reference"),
    Metric("loris_f1", HIGHER, "F1 of the two means", "reference"),
    Metric("beat_f", HIGHER, "beats within 70 ms of the reference's", "beats"),
    Metric("cmlt", HIGHER, "beats in continuously correct stretches", "beats"),
    Metric("amlt", HIGHER, "the same, half, double and off-beat allowed", "beats"),
    Metric("tempo_accuracy", HIGHER, "tempo within 4 %, octave allowed", "beats"),
    Metric("bas_motion_to_music", HIGHER, "motion beats near a music beat", "motions"),
    Metric("bas_music_to_motion", HIGHER, "music beats near a motion beat", "motions"),
    Metric("bas_as_published", HIGHER, "the published script's mixed units", "motions",
           "Beat align score"),
    Metric("energy_correlation", HIGHER, "loudness follows the body's speed", "motions"),
    Metric("density_correlation", HIGHER, "number of onsets follows the body's speed", "motions"),
    Metric("accents_hit", HIGHER, "strong onsets on sudden stops, chance 0.25", "motions"),
    Metric("similarity", HIGHER, "learned similarity of motion and music", "motions"),
    Metric("retrieval_1", HIGHER, "own music the most similar of 50, chance 0.02", "motions"),
    Metric("retrieval_5", HIGHER, "own music among the 5 of 50, chance 0.10", "motions"),
    Metric("genre_kld", LOWER, "genre probabilities against the reference's", "reference"),
    Metric("genre_kld_as_published", LOWER, "the published script's arithmetic", "reference",
           "Genre KLD"),
    Metric("genre_accuracy", HIGHER, "classified as the requested genre", "genres"),
    Metric("diversity", HIGHER, "distance between variations of one dance, dB", "variations"),
    Metric("loudness_lufs", NEITHER, "integrated loudness, LUFS"),
    Metric("clipped_share", LOWER, "samples at full scale"),
    Metric("silent_share", LOWER, "23 ms blocks below -60 dBFS"),
)  # fmt: skip
SANITY = ("loudness_lufs", "clipped_share", "silent_share")
_BY_NAME = {metric.name: metric for metric in METRICS}
_SETS = {
    "fad_": Metric("fad_", LOWER, "Frechet distance to the reference set", "reference",
                   "Frechet audio distance"),
    "kad_": Metric("kad_", LOWER, "kernel distance to the reference set", "reference"),
}  # fmt: skip


def metric_named(name: str) -> Metric:
    """Return the metric of that name; ``fad_NAME`` and ``kad_NAME`` for any embedding.

    Raises:
        MetricError: There is none.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    kind = _SETS.get(name[:4])
    if kind is None:
        known = ", ".join((*_BY_NAME, *(f"{prefix}EMBEDDING" for prefix in _SETS)))
        raise MetricError(f"unknown metric {name!r}; choose one of {known}")
    return Metric(name, kind.better, kind.description, kind.requires, kind.title)


def sort_metrics(names: set[str]) -> list[str]:
    """Return metric names as a table has them: rhythm, body, genre, sets, diversity, sanity."""
    sets = sorted(name for name in names if name[:4] in _SETS)
    plain = [name for name in _BY_NAME if name in names]
    first_other = next(
        (k for k, name in enumerate(plain) if name not in _RHYTHM_AND_BODY), len(plain)
    )
    return [*plain[:first_other], *sets, *plain[first_other:]]


_RHYTHM_AND_BODY = set(list(_BY_NAME)[: list(_BY_NAME).index("genre_kld")])
