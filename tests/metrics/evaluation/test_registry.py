import pytest

from kinetune.errors import MetricError
from kinetune.metrics.evaluation import registry

PROMISED = {
    "bcs_as_published", "bhs_as_published", "loris_coverage", "loris_hit", "loris_csd", "loris_hsd",
    "loris_f1", "beat_f", "cmlt", "amlt", "tempo_accuracy", "bas_motion_to_music",
    "bas_music_to_motion", "bas_as_published", "genre_kld", "genre_kld_as_published",
    "genre_accuracy", "energy_correlation", "diversity",
}  # fmt: skip


def test_every_promised_name_is_there_once():
    every = [metric.name for metric in registry.METRICS]
    assert set(every) >= PROMISED
    assert len(every) == len(set(every))


def test_distances_are_metrics_of_any_embedding():
    found = registry.metric_named("fad_vggish")
    assert (found.name, found.better) == ("fad_vggish", "lower")
    assert registry.metric_named("kad_genre").arrow == " ↓"


def test_an_unknown_name_is_reported():
    with pytest.raises(MetricError, match=r"unknown metric 'bas'.*bas_as_published"):
        registry.metric_named("bas")


def test_a_table_goes_from_rhythm_to_sanity_with_sets_between():
    shuffled = {"silent_share", "kad_x", "fad_x", "genre_kld", "beat_f", "energy_correlation"}
    assert registry.sort_metrics(shuffled) == [
        "beat_f", "energy_correlation", "fad_x", "kad_x", "genre_kld", "silent_share",
    ]  # fmt: skip
