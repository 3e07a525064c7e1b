from dataclasses import replace

import numpy as np
import pytest

from kinetune.metrics.evaluation.pairing import Folders, pair_folders
from kinetune.metrics.evaluation.runner import analyse_clips
from kinetune.metrics.evaluation.similarity_scores import similarity_values
from kinetune.metrics.similarity import motion_vectors, retrieval, similarity
from kinetune.motion.io.formats import read_motion


@pytest.fixture(scope="module")
def analyses(world):
    folders = Folders({"ours": world.system}, world.reference, world.motions)
    found = list(analyse_clips(pair_folders(folders).clips, seed=0, workers=1))
    # Some dance twice: retrieval needs ten.
    again = [replace(one, clip=replace(one.clip, name=f"{one.clip.name}b")) for one in found[:4]]
    return [*found, *again]


@pytest.fixture(scope="module")
def motions(analyses):
    return {one.clip.name: motion_vectors(read_motion(one.clip.motion)) for one in analyses}


def values_of(by_label, analyses):
    return similarity_values(by_label, analyses, draws=3, seed=0)


def test_music_that_is_the_motion_is_similar_and_found(analyses, motions):
    noise = np.random.default_rng(0)
    ours = {
        name: [each + 1e-3 * noise.standard_normal(each.shape).astype(np.float32)]
        for name, each in motions.items()
    }
    found = values_of({"ours": ours}, analyses)["ours"]
    np.testing.assert_allclose(found["similarity"], 1.0, atol=1e-2)
    # Four dance twice, and each of a pair is as likely as the other to be first.
    assert found["retrieval_1"][4:8] == pytest.approx(1.0)
    np.testing.assert_allclose(found["retrieval_5"], 1.0)


def test_a_value_is_the_mean_over_variations(analyses, motions):
    rng = np.random.default_rng(1)
    made = {
        name: [rng.standard_normal(each.shape).astype(np.float32) for _ in range(2)]
        for name, each in motions.items()
    }
    found = values_of({"ours": made}, analyses)["ours"]
    names = list(motions)
    for row, name in enumerate(names):
        expected = np.mean([similarity(motions[name], each) for each in made[name]])
        assert found["similarity"][row] == pytest.approx(expected)
    tables = [
        np.array([[similarity(motions[a], made[b][turn]) for b in names] for a in names])
        for turn in range(2)
    ]
    np.testing.assert_allclose(
        found["retrieval_5"], np.mean([retrieval(table, 5) for table in tables], axis=0)
    )


def test_random_partners_are_references_of_other_dances(analyses, motions):
    references = {name: [each] for name, each in motions.items()}
    found = values_of({"reference": references, "random_pairing": {}}, analyses)
    np.testing.assert_allclose(found["reference"]["similarity"], 1.0, rtol=1e-5)
    assert (found["random_pairing"]["similarity"] < 1.0 - 1e-3).any()
    assert "retrieval_1" not in found["random_pairing"]


def test_dances_without_music_or_motion_have_no_value(analyses, motions):
    ours = {name: [each] for name, each in list(motions.items())[1:]}
    found = values_of({"ours": ours}, analyses)["ours"]
    assert np.isnan(found["similarity"][0])
    assert np.isfinite(found["similarity"][1:]).all()
    still = [replace(one, motion=None) for one in analyses]
    assert values_of({"ours": ours}, still) == {}


def test_few_dances_have_no_retrieval(analyses, motions):
    ours = {name: [each] for name, each in motions.items()}
    found = values_of({"ours": ours}, analyses[:8])["ours"]
    assert set(found) == {"similarity"}
