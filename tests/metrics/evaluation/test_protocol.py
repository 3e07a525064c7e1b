import math
import pickle
import shutil

import numpy as np
import pytest

from kinetune.audio.sound import Sound, read_sound, write_sound
from kinetune.errors import ConfigError
from kinetune.metrics.evaluation import protocol, scores
from kinetune.metrics.evaluation.embedding_scores import NetworkOptions, SetStatistic
from kinetune.metrics.evaluation.pairing import Folders
from kinetune.metrics.evaluation.protocol import Settings, evaluate
from kinetune.metrics.evaluation.runner import analyse_clips
from tests.metrics.conftest import BPMS

ALONE = NetworkOptions(genre=False)
QUICK = Settings(networks=ALONE, workers=1)


@pytest.fixture(scope="module")
def evaluation(world):
    folders = Folders({"ours": world.system}, world.reference, world.motions)
    return evaluate(folders, QUICK)


def value(evaluation, label, name):
    return evaluation.estimates[label][name].value


def test_rows_are_the_systems_and_then_the_baselines(evaluation):
    assert evaluation.labels == (
        "ours", "reference", "random_pairing", "click", "noise", "silence",
    )  # fmt: skip
    assert evaluation.dances == tuple(sorted(BPMS))
    assert set(evaluation.estimates) == set(evaluation.labels)


def test_the_reference_agrees_with_itself(evaluation):
    for name in ("bcs_as_published", "bhs_as_published", "loris_f1", "beat_f", "cmlt", "amlt"):
        assert value(evaluation, "reference", name) == 1.0
    assert value(evaluation, "reference", "loris_csd") == 0.0


def test_evaluate_ranks_good_music_above_baselines(evaluation):
    for name in ("beat_f", "tempo_accuracy"):
        ours = value(evaluation, "ours", name)
        assert ours > 0.8
        for label in ("random_pairing", "noise", "silence"):
            assert value(evaluation, label, name) < ours - 0.2
    assert value(evaluation, "silence", "beat_f") == 0.0


def test_figures_use_all_dances_and_are_inside_their_intervals(evaluation):
    for row in evaluation.estimates.values():
        for name, found in row.items():
            if math.isfinite(found.value) and name != "loudness_lufs":
                assert found.n == 8
                # A statistic of spread may lie outside percentiles of its draws.
                if name not in ("loris_csd", "loris_hsd"):
                    assert found.low - 1e-9 <= found.value <= found.high + 1e-9


def test_rows_are_tested_against_the_first_or_a_chosen_one(evaluation, world):
    assert evaluation.against == "ours"
    apart = evaluation.differences["beat_f"]
    assert set(apart) == set(evaluation.labels) - {"ours"}
    assert apart["silence"].is_significant
    folders = Folders({"ours": world.system}, world.reference)
    other = evaluate(folders, Settings("reference", ALONE, workers=1))
    assert other.differences["beat_f"]["ours"].mean == pytest.approx(
        -apart["reference"].mean, abs=1e-9
    )


def test_distances_of_sets_are_compared_over_the_same_dances_only():
    def distance_of(numbers):
        return lambda chosen: float(np.asarray(numbers)[chosen].mean())

    names = ("a", "b", "c", "d")
    sets = {
        "ours": {"fad": SetStatistic(names, distance_of([1.0, 2.0, 3.0, 4.0]))},
        "other": {"fad": SetStatistic(names, distance_of([2.0, 4.0, 3.0, 5.0]))},
        "fewer": {"fad": SetStatistic(names[:3], distance_of([2.0, 4.0, 3.0]))},
    }
    values = {label: {} for label in sets}
    found = protocol._differences(values, sets, "ours", 0)["fad"]
    assert set(found) == {"other"}
    assert found["other"].mean == pytest.approx(1.0)
    assert found["other"].n == 4


def test_limits_of_metrics_are_reported(evaluation):
    assert "bas_as_published" in evaluation.uninformative["random_pairing"]
    assert "loris_coverage" in evaluation.uninformative["noise"]
    assert "beat_f" not in evaluation.uninformative["random_pairing"]
    assert evaluation.notes == ()


def test_order_of_files_gain_and_stereo_change_nothing(evaluation, world, tmp_path):
    for path in sorted(world.system.iterdir(), reverse=True):
        sound = read_sound(path)
        stereo = np.stack([sound.samples] * 2, axis=1) * np.float32(0.5)
        write_sound(tmp_path / "ours" / path.name, Sound(stereo, sound.rate_hz))
    folders = Folders({"ours": tmp_path / "ours"}, world.reference, world.motions)
    again = evaluate(folders, QUICK)
    for name, found in evaluation.estimates["ours"].items():
        if name not in ("loudness_lufs", "silent_share"):
            assert again.estimates["ours"][name].value == pytest.approx(found.value, abs=0.02)
    # Six decibels quieter; two equal channels count three decibels louder.
    louder = value(again, "ours", "loudness_lufs") - value(evaluation, "ours", "loudness_lufs")
    assert louder == pytest.approx(-3.0, abs=0.1)


def test_a_missing_file_lowers_n_and_is_a_problem(world, tmp_path):
    shutil.copytree(world.system, tmp_path / "ours")
    (tmp_path / "ours" / "dance3.wav").unlink()
    folders = Folders({"ours": tmp_path / "ours"}, world.reference)
    found = evaluate(folders, QUICK)
    assert found.estimates["ours"]["beat_f"].n == 7
    assert found.estimates["reference"]["beat_f"].n == 8
    assert [(p.label, p.clip, p.kind) for p in found.problems] == [("ours", "dance3", "missing")]
    assert np.isnan(found.values["ours"]["beat_f"][3])


def test_metrics_that_do_not_apply_are_left_out(world):
    found = evaluate(Folders({"ours": world.system}, motions=world.motions), QUICK)
    assert "reference" not in found.labels
    assert "random_pairing" not in found.labels
    assert "beat_f" not in found.metrics
    assert "bas_motion_to_music" in found.metrics
    assert "diversity" not in found.metrics
    alone = evaluate(Folders({"ours": world.system}), QUICK)
    assert alone.metrics == ["loudness_lufs", "clipped_share", "silent_share"]


def test_takes_are_averaged_within_a_dance_and_give_diversity(world, tmp_path):
    shutil.copytree(world.system, tmp_path / "variations" / "0")
    shutil.copytree(world.reference, tmp_path / "variations" / "1")
    folders = Folders({"both": tmp_path / "variations", "one": world.system}, world.reference)
    found = evaluate(folders, QUICK)
    both, one = (found.values[label]["beat_f"] for label in ("both", "one"))
    np.testing.assert_allclose(both, (one + 1.0) / 2.0)
    assert found.estimates["both"]["diversity"].n == 8
    assert found.estimates["both"]["diversity"].value > 0
    assert "diversity" not in found.estimates["one"]


def test_the_seed_changes_noise_and_random_pairs_and_nothing_else(evaluation, world):
    folders = Folders({"ours": world.system}, world.reference, world.motions)
    again = evaluate(folders, QUICK)
    other = evaluate(folders, Settings(networks=ALONE, seed=1, workers=1))
    assert again.estimates == evaluation.estimates or _same(again, evaluation)
    assert value(other, "ours", "beat_f") == value(evaluation, "ours", "beat_f")
    assert value(other, "noise", "beat_f") != value(evaluation, "noise", "beat_f")
    assert value(other, "random_pairing", "beat_f") != value(evaluation, "random_pairing", "beat_f")


def _same(one, other):
    return all(
        np.array_equal(one.values[label][name], column, equal_nan=True)
        for label, row in other.values.items()
        for name, column in row.items()
    )


def test_more_random_draws_are_analysed(world):
    clips = protocol.pair_folders(Folders({}, world.reference)).clips
    found = list(analyse_clips(clips, seed=0, workers=1))
    one, many = (
        scores.clip_scores(found, ["random_pairing"], draws=draws, seed=0)["random_pairing"]
        for draws in (1, 5)
    )
    assert not np.allclose(one["beat_f"], many["beat_f"])


@pytest.mark.parametrize(
    ("label", "against", "words"),
    [
        ("noise", None, "'noise' can't be a label"),
        (" ", None, "' ' can't be a label"),
        ("ours", "theirs", "no row 'theirs' to test against; choose one of ours, reference"),
        ("ours", "reference", "no row 'reference' to test against; the rows are ours"),
    ],
)
def test_impossible_labels_are_reported(world, label, against, words):
    with pytest.raises(ConfigError, match=words):
        evaluate(Folders({label: world.system}), Settings(against, ALONE, workers=1))


def test_nothing_to_score_is_reported(world):
    with pytest.raises(ConfigError, match="no folder of sounds to score"):
        evaluate(Folders({}, world.reference), QUICK)


def elsewhere(function, items, progress):
    """As other machines do it: copies of function and items; told when all is done."""
    function, items = pickle.loads(pickle.dumps((function, list(items))))
    if progress is not None:
        progress(len(items), len(items))
    return [function(item) for item in items]


def test_work_on_other_machines_gives_the_same_figures(world):
    folders = Folders({"ours": world.system}, world.reference, world.motions)
    settings = Settings(networks=NetworkOptions(("mfcc",), genre=False), workers=1)
    stages = []
    here = evaluate(folders, settings)
    there = evaluate(
        folders, settings, mapper=elsewhere, progress=lambda *stage: stages.append(stage)
    )
    assert there.estimates == here.estimates
    assert "fad_mfcc" in there.estimates["ours"]
    assert stages == [("analysis", 8, 8), ("networks", 8, 8)]


def test_a_dance_whose_worker_died_is_listed_and_lowers_the_counts(world):
    folders = Folders({"ours": world.system}, world.reference, world.motions)

    def without_the_first(function, items, progress):
        return [None, *elsewhere(function, items, progress)[1:]]

    found = evaluate(folders, QUICK, mapper=without_the_first)
    assert [(p.label, p.clip, p.kind) for p in found.problems] == [
        ("ours", "dance0", "can't be used"), ("reference", "dance0", "can't be used"),
    ]  # fmt: skip
    assert "its worker died each time" in found.problems[0].detail
    assert found.estimates["ours"]["beat_f"].n == 7
