import numpy as np
import pytest

from kinetune.audio.sound import read_sound
from kinetune.errors import AudioError, ConfigError
from kinetune.metrics.distances import (
    frechet_distance,
    frechet_distance_at_infinity,
    kernel_distance,
)
from kinetune.metrics.evaluation import embedding_scores
from kinetune.metrics.evaluation.embedding_scores import (
    NetworkOptions,
    load_embedders,
    network_scores,
    parse_embedding,
)
from kinetune.metrics.evaluation.pairing import Folders, pair_folders
from kinetune.metrics.evaluation.protocol import Settings, evaluate
from kinetune.metrics.evaluation.runner import analyse_clips

LABELS = ("ours", "reference", "random_pairing", "noise")


@pytest.fixture(scope="module")
def analyses(world):
    genres = world.system.parent / "genres.csv"
    genres.write_text("".join(f"dance{k},{'BR' if k < 4 else 'HO'}\n" for k in range(8)))
    folders = Folders({"ours": world.system}, world.reference, world.motions, genres)
    return list(analyse_clips(pair_folders(folders).clips, seed=0, workers=1))


def frames_of(sound):
    """A small synthetic embedding: level and slope of eight pieces, (8, 2)."""
    pieces = np.array_split(sound.mono.astype(np.float64), 8)
    return np.array([[np.abs(p).mean(), np.diff(p).std()] for p in pieces], dtype=np.float32)


def scored(analyses, embedders, labels=LABELS):
    return network_scores(analyses, labels, embedders, draws=2, seed=0)


def test_distances_are_those_of_all_frames_together(analyses, world):
    sets = scored(analyses, {"fad_made": frames_of}).sets
    theirs, ours = (
        np.concatenate([frames_of(read_sound(path)) for path in sorted(folder.iterdir())])
        for folder in (world.reference, world.system)
    )
    everyone = np.arange(8)
    assert sets["ours"]["fad_made"].names == tuple(f"dance{k}" for k in range(8))
    found = [sets["ours"][name].distance(everyone) for name in ("fad_made", "kad_made")]
    clips = np.repeat(everyone, 8)
    kernel = kernel_distance(theirs, ours, clips_a=clips, clips_b=clips)
    assert found == pytest.approx([frechet_distance(theirs, ours), kernel])
    assert kernel != pytest.approx(kernel_distance(theirs, ours))


def test_progress_is_the_number_of_dances_done(analyses):
    told = []
    network_scores(
        analyses[:3], LABELS, {"fad_made": frames_of}, draws=2, seed=0,
        progress=lambda *counts: told.append(counts),
    )  # fmt: skip
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_set_is_not_measured_against_itself_and_noise_is_far(analyses):
    sets = scored(analyses, {"fad_made": frames_of}).sets
    assert set(sets) == {"ours", "noise"}
    far, near = (sets[label]["fad_made"].distance(np.arange(8)) for label in ("noise", "ours"))
    assert far > 10 * near


def test_few_frames_give_a_warning(analyses):
    wide = scored(analyses, {"fad_wide": lambda sound: np.tile(frames_of(sound), 30)})
    (note,) = wide.notes
    assert "too few frames for 60 dimensions (ours 64, noise 64)" in note
    assert scored(analyses, {"fad_made": frames_of}).notes == []


def test_a_thousand_frames_are_extrapolated(analyses, world):
    def many(sound):
        return np.tile(frames_of(sound), (20, 1))

    few, enough = (
        scored(analyses, {"fad_x": embedder}).sets["ours"] for embedder in (frames_of, many)
    )
    assert set(few) == {"fad_x", "kad_x"}
    assert set(enough) == {"fad_x", "kad_x", "fad_x_at_infinity"}
    theirs, ours = (
        np.concatenate([many(read_sound(path)) for path in sorted(folder.iterdir())])
        for folder in (world.reference, world.system)
    )
    found = enough["fad_x_at_infinity"].distance(np.arange(8))
    assert found == pytest.approx(frechet_distance_at_infinity(theirs, ours))


def test_a_sound_too_short_for_a_network_is_a_problem(analyses):
    def failing(sound):
        raise AudioError("too short")

    found = scored(analyses, {"fad_deaf": failing}, ("ours", "reference"))
    assert found.sets == {}
    assert {problem.kind for problem in found.problems} == {"no fad_deaf"}
    assert len(found.problems) == 16


def likely(place):
    return lambda sound: np.eye(10)[place] * 0.91 + 0.009


def test_genre_scores_by_hand(analyses):
    # Break and house are the first two of ten.
    found = scored(analyses, {"genre_kld": likely(1)}).values
    np.testing.assert_array_equal(found["ours"]["genre_accuracy"], [0, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_allclose(found["ours"]["genre_kld"], 0.0, atol=1e-12)
    np.testing.assert_allclose(found["random_pairing"]["genre_kld"], 0.0, atol=1e-12)


def test_genre_divergence_is_that_of_reference_and_generated(analyses):
    loud = scored(
        analyses, {"genre_kld": lambda s: likely(0 if s.mono.std() > 0.09 else 1)(s)}
    ).values
    # Noise is loud, music is not: 0.9 of probability moves, once with each sign.
    by_hand = 0.919 * np.log(0.919 / 0.009) + 0.009 * np.log(0.009 / 0.919)
    np.testing.assert_allclose(loud["noise"]["genre_kld"], by_hand)
    np.testing.assert_allclose(loud["ours"]["genre_kld"], 0.0, atol=1e-12)


def test_the_published_divergence_is_reported_dance_by_dance(analyses):
    from kinetune.metrics.published_genre import genre_kld_as_published

    logits = np.random.default_rng(0).normal(size=(2, 10)).astype(np.float64)
    logits[1, logits[0].argmin()] = logits[1].min() - 1.0
    found = scored(
        analyses, {"genre_kld_as_published": lambda s: logits[int(s.mono.std() > 0.09)]}
    ).values
    requested = genre_kld_as_published(logits[:1], logits[1:]).value
    np.testing.assert_allclose(found["noise"]["genre_kld_as_published"], requested)
    np.testing.assert_allclose(found["ours"]["genre_kld_as_published"], 0.0, atol=1e-12)


def test_without_a_network_there_is_no_evidence(analyses):
    found = scored(analyses, {})
    assert (found.values, found.sets, found.problems) == ({}, {}, [])


def test_sounds_are_the_analysed_ones(analyses):
    one = analyses[0]
    found = list(embedding_scores.scored_sounds(one, [*LABELS, "click", "silence"], seed=0))
    assert [label for label, _ in found] == ["ours", "reference", "click", "noise", "silence"]
    assert {sound.duration_s for _, sound in found} == {5.0}


def test_names_with_and_without_weights():
    assert parse_embedding("vggish") == ("vggish", None)
    assert str(parse_embedding("vggish=a=b.pt")[1]) == "a=b.pt"


def test_an_unknown_embedding_is_reported_before_work_begins(world):
    with pytest.raises(ConfigError, match="unknown embedding 'wav2vec'"):
        load_embedders(NetworkOptions(("wav2vec",), genre=False))
    settings = Settings(networks=NetworkOptions(("wav2vec",), genre=False), workers=1)
    with pytest.raises(ConfigError, match="unknown embedding"):
        evaluate(Folders({"ours": world.system}), settings)


def test_embeddings_and_genre_reach_the_table(world):
    settings = Settings(networks=NetworkOptions(("mfcc",)), workers=1)
    found = evaluate(Folders({"ours": world.system}, world.reference), settings)
    assert {"fad_mfcc", "kad_mfcc", "genre_kld"} <= set(found.metrics)
    assert found.estimates["ours"]["fad_mfcc"].n == 8
    apart = found.differences["fad_mfcc"]
    assert set(apart) == {"click", "noise", "silence"}
    assert apart["noise"].mean > 0
    without = evaluate(
        Folders({"ours": world.system}, world.reference),
        Settings(networks=NetworkOptions(genre=False), workers=1),
    )
    assert set(found.metrics) - set(without.metrics) == {"fad_mfcc", "kad_mfcc", "genre_kld"}
