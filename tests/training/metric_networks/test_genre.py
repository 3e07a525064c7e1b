import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kinetune import genres
from kinetune.corpus.folder import is_held_out
from kinetune.errors import ConfigError
from kinetune.metrics.networks.genre_network import GenreConfig, load_network
from kinetune.training.config import DataConfig, LoopConfig
from kinetune.training.data.audio_augment import AudioAugmentation
from kinetune.training.data.prepare import open_dataset
from kinetune.training.metric_networks.genre import (
    GenreBatches,
    GenreTraining,
    build_network,
    read_genre_config,
    train_genre,
)
from tests.conftest import REPOSITORY

NOTHING = AudioAugmentation(
    speed=0.0, tilt_db=0.0, lowpass_share=0.0, noise_share=0.0, codec_share=0.0, non_music_share=0.0
)


@pytest.fixture
def training(corpus):
    return GenreTraining(
        network=GenreConfig(channels=(4, 8), embedding=8, n_mels=32, window_s=1.0),
        data=DataConfig(source=str(corpus), held_out=0, stride_s=1.0),
        loop=LoopConfig(
            steps=4, batch_size=4, warmup_steps=1, learning_rate=1e-2, mixed_precision="no",
            ema_decay=0.0,
        ),
        augment=NOTHING,
    )  # fmt: skip


def losses(out):
    return [json.loads(row)["loss"] for row in (out / "genre/log.jsonl").read_text().splitlines()]


def test_it_learns_and_leaves_a_classifier(training, tmp_path):
    loop = replace(training.loop, steps=40, batch_size=8)
    trained = train_genre(replace(training, loop=loop), tmp_path)
    assert trained.training.finished
    assert np.isnan(trained.accuracy)
    found = losses(tmp_path)
    assert np.mean(found[-5:]) < 0.75 * np.mean(found[:3])
    assert load_network(tmp_path / "genre" / "model").settings == training.network


def test_continuing_is_bit_for_bit_the_unbroken_run(training, tmp_path):
    class Stop(Exception):
        pass

    def stop(report):
        if report.step == 2:
            raise Stop

    saving = replace(training, loop=replace(training.loop, save_every_minutes=0.0))
    train_genre(saving, tmp_path / "whole")

    # The step that raises is not saved: two are done again.
    with pytest.raises(Stop):
        train_genre(saving, tmp_path / "broken", on_step=stop)
    train_genre(saving, tmp_path / "broken", resume=True)
    one, two = (
        load_file(tmp_path / name / "genre" / "model" / "model.safetensors")
        for name in ("whole", "broken")
    )
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_held_out_pieces_are_scored(training, corpus, tmp_path):
    names = [path.stem for path in (corpus / "motion").glob("*.npz")]
    counts = {every: sum(is_held_out(name, every) for name in names) for every in range(2, 50)}
    every = next(every for every, count in counts.items() if 0 < count < len(names))
    trained = train_genre(replace(training, data=replace(training.data, held_out=every)), tmp_path)
    assert trained.held_out == counts[every]
    assert 0.0 <= trained.accuracy <= 1.0


def test_minutes_stop_it(training, tmp_path):
    trained = train_genre(training, tmp_path, minutes=0.0)
    assert (trained.training.step, trained.training.finished) == (0, False)


def test_a_batch_contains_the_music_and_its_genre(training, tmp_path):
    prepared = open_dataset(training.data, tmp_path, features="rhythm")
    source = GenreBatches(prepared, replace(training, smoothing=0.2))
    samples, targets = source.batch(0, 6)
    assert samples.shape == (6, 22_050)
    known = {
        item.genre: prepared.samples(item).astype(np.float32) / 32767 for item in prepared.items
    }
    for row, target in zip(samples.numpy(), targets.numpy(), strict=True):
        music = known[genres.CODES[target.argmax()]]
        assert any(
            np.allclose(row, music[first : first + len(row)], atol=1e-4)
            for first in np.flatnonzero(np.abs(music - row[0]) < 1e-4)
            if first + len(row) <= len(music)
        )
        assert target.max() == pytest.approx(0.8 + 0.02)
        assert target.sum() == pytest.approx(1.0)


def test_genre_windows_start_within_a_stride_and_are_padded(training, tmp_path):
    prepared = open_dataset(training.data, tmp_path, features="rhythm")
    source = GenreBatches(prepared, training)
    window = source._windows[0]
    whole = prepared.samples(prepared.items[window.item])
    late_s = np.random.default_rng(3).uniform(0.0, training.data.stride_s)
    first = min(round((window.start_s + late_s) * 22_050), len(whole) - source._length)
    expected = whole[first : first + source._length].astype(np.float32) / 32767.0
    found = source._music(window, np.random.default_rng(3)).numpy()
    np.testing.assert_array_equal(found, expected)
    source._length = len(whole) + 100
    padded = source._music(window, np.random.default_rng(3)).numpy()
    np.testing.assert_array_equal(padded[: len(whole)], whole.astype(np.float32) / 32767.0)
    assert padded.shape == (len(whole) + 100,)
    assert not padded[len(whole) :].any()


def test_batches_are_drawn_by_their_number_and_the_seed(training, tmp_path):
    prepared = open_dataset(training.data, tmp_path, features="rhythm")
    source = GenreBatches(prepared, training)
    assert torch.equal(source.batch(3, 4)[0], source.batch(3, 4)[0])
    assert not torch.equal(source.batch(3, 4)[0], source.batch(4, 4)[0])
    other = replace(training, loop=replace(training.loop, seed=1))
    assert not torch.equal(source.batch(3, 4)[0], GenreBatches(prepared, other).batch(3, 4)[0])
    states = [build_network(t).projection.weight for t in (training, training, other)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_what_is_no_music_is_of_no_genre(training, tmp_path):
    prepared = open_dataset(training.data, tmp_path, features="rhythm")
    source = GenreBatches(
        prepared, replace(training, augment=replace(NOTHING, non_music_share=1.0))
    )
    _, targets = source.batch(0, 6)
    torch.testing.assert_close(targets, torch.full((6, 10), 0.1))


def test_the_bundled_run_can_be_read():
    training = read_genre_config(REPOSITORY / "configs" / "genre.toml")
    assert training.network == GenreConfig()
    assert training.augment == AudioAugmentation()


def test_bad_configs_are_reported(training, tmp_path):
    (tmp_path / "a.toml").write_text("[augment]\nspeeed = 0.1\n")
    with pytest.raises(ConfigError, match="unknown key 'speeed'"):
        read_genre_config(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text("[loop]\nema_decay = 0.9\n")
    with pytest.raises(ConfigError, match="no moving average"):
        read_genre_config(tmp_path / "b.toml")
    with pytest.raises(ConfigError, match="smoothing: expected float < 1.0, found 1.0"):
        replace(training, smoothing=1.0)
    other = replace(training, network=replace(training.network, rate_hz=16_000))
    with pytest.raises(ConfigError, match="prepared at 22050 Hz"):
        train_genre(other, tmp_path)
