import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kinetune.errors import ConfigError
from kinetune.metrics.networks.similarity_network import SimilarityConfig, load_similarity
from kinetune.motion.features import RHYTHM_FEATURE_COUNT
from kinetune.training.config import DataConfig, LoopConfig
from kinetune.training.data.prepare import open_dataset
from kinetune.training.metric_networks.similarity import (
    Pairs,
    SimilarityTraining,
    contrastive_loss,
    read_similarity_config,
    train_similarity,
)
from tests.conftest import REPOSITORY


@pytest.fixture
def training(corpus):
    return SimilarityTraining(
        network=SimilarityConfig(
            n_mels=16, channels=16, embedding=8, dilations=(1, 2), dropout=0.0
        ),
        data=DataConfig(source=str(corpus), held_out=0),
        loop=LoopConfig(
            steps=3, batch_size=6, warmup_steps=1, learning_rate=3e-3, mixed_precision="no",
            ema_decay=0.0,
        ),
        window_s=3.0,
    )  # fmt: skip


def losses(out):
    rows = (out / "similarity/log.jsonl").read_text().splitlines()
    return [json.loads(row)["loss"] for row in rows]


def test_the_network_learns_which_music_belongs_to_a_dance(training, tmp_path):
    loop = replace(training.loop, steps=60, learning_rate=1e-2)
    trained = train_similarity(replace(training, loop=loop), tmp_path)
    assert trained.training.finished
    found = losses(tmp_path)
    # Six windows at chance.
    assert found[0] == pytest.approx(math.log(6), rel=0.5)
    assert np.mean(found[-5:]) < 0.6 * np.mean(found[:3])
    assert load_similarity(tmp_path / "similarity" / "model").settings == training.network


def test_a_continued_similarity_run_is_bit_for_bit_the_unbroken_one(training, tmp_path):
    class Stop(Exception):
        pass

    def stop(report):
        if report.step == 2:
            raise Stop

    saving = replace(
        training,
        loop=replace(training.loop, save_every_minutes=0.0),
        network=replace(training.network, dropout=0.3),
    )
    train_similarity(saving, tmp_path / "whole")
    with pytest.raises(Stop):
        train_similarity(saving, tmp_path / "broken", on_step=stop)
    train_similarity(saving, tmp_path / "broken", resume=True)
    one, two = (
        load_file(tmp_path / name / "similarity" / "model" / "model.safetensors")
        for name in ("whole", "broken")
    )
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_a_batch_holds_two_windows_of_each_pair_side_by_side(training, tmp_path):
    plain = replace(training, band_gain_db=0.0, contrast=0.0, effort=0.0)
    prepared = open_dataset(plain.data, tmp_path, features="rhythm")
    pairs = Pairs(prepared, plain)
    batch = pairs.batch(4).numpy()
    assert batch.shape == (6, 90, RHYTHM_FEATURE_COUNT + 16)

    def places(window):
        """The pairs and frames where a window's rows are."""
        return {
            (item.name, first)
            for item in prepared.items
            for first in range(len(pairs.rows(item)) - 89)
            if np.array_equal(pairs.rows(item)[first : first + 90].astype(np.float32), window)
        }

    found = [next(iter(places(window))) for window in batch]
    names = [name for name, _ in found]
    assert names[::2] == names[1::2]
    assert len(set(names)) == 3
    np.testing.assert_array_equal(pairs.batch(4).numpy(), batch)
    assert not np.array_equal(pairs.batch(5).numpy(), batch)


def test_augmentation_is_a_gain_of_bands_and_a_factor_of_motion(training, tmp_path):
    prepared = open_dataset(training.data, tmp_path, features="rhythm")
    plain = replace(training, band_gain_db=0.0, contrast=0.0, effort=0.0)
    louder = replace(plain, band_gain_db=3.0)
    livelier = replace(plain, effort=0.2)
    same, gained, scaled = (
        Pairs(prepared, each).batch(0).numpy()[0] for each in (plain, louder, livelier)
    )
    gain = (gained - same)[:, RHYTHM_FEATURE_COUNT:]
    np.testing.assert_allclose(gain, np.broadcast_to(gain[:1], gain.shape), atol=1e-5)
    # Fifty decibels are one unit of the spectrogram.
    assert 1.0 < 50.0 * gain[0].std() < 5.0
    motion, mel = np.split(same, [RHYTHM_FEATURE_COUNT], axis=1)
    factor = scaled[0, 0] / motion[0, 0]
    np.testing.assert_allclose(
        scaled[:, :RHYTHM_FEATURE_COUNT], factor * motion, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(scaled[:, RHYTHM_FEATURE_COUNT:], mel)


def test_the_contrastive_loss_of_known_logits():
    even = contrastive_loss(torch.zeros(5, 5))
    assert float(even["loss"]) == pytest.approx(math.log(5))
    sure = contrastive_loss(50.0 * torch.eye(5))
    assert (float(sure["loss"]), float(sure["accuracy"])) == pytest.approx((0.0, 1.0), abs=1e-6)
    # Two windows, logits a for the own and b for the other: log(1 + exp(b - a)).
    two = contrastive_loss(torch.tensor([[1.0, 2.0], [2.0, 1.0]]))
    assert float(two["loss"]) == pytest.approx(math.log(1 + math.e))
    assert float(two["accuracy"]) == 0.0


def test_held_out_dances_are_judged(training, tmp_path):
    data = replace(training.data, held_out=2)
    small = replace(training, data=data, loop=replace(training.loop, batch_size=4, steps=1))
    trained = train_similarity(small, tmp_path)
    prepared = open_dataset(data, tmp_path, features="rhythm")
    assert trained.held_out == sum(item.held_out for item in prepared.items)
    assert np.isnan(trained.retrieval) == (trained.held_out < 2)


def test_too_few_pairs_and_odd_batches(training, tmp_path):
    with pytest.raises(ConfigError, match=r"4 training pairs last 3 s, but a batch needs 16"):
        train_similarity(replace(training, loop=replace(training.loop, batch_size=32)), tmp_path)
    with pytest.raises(ConfigError, match=r"an even number of 4 or more.*found 5"):
        replace(training, loop=replace(training.loop, batch_size=5))


def test_the_shipped_settings_are_read():
    settings = read_similarity_config(REPOSITORY / "configs" / "similarity.toml", ["loop.steps=7"])
    assert (settings.loop.steps, settings.network) == (7, SimilarityConfig())
