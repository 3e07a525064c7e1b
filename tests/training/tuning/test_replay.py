"""Windows of the corpus among those of a small set."""

import numpy as np
import pytest
import soundfile

from kinetune.errors import ConfigError
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.training.data import dataset
from kinetune.training.data.prepare import open_prepared
from kinetune.training.diffusion import cached_latents
from kinetune.training.songs.song_set import SongSetRequest, prepare_songs
from kinetune.training.tuning.replay import Shares, open_replay, replay_batch, replaying_sampler
from kinetune.training.tuning.settings import tune_settings
from tests.training.songs.conftest import RATE_HZ, song_samples

COUNTS = (7, 5)


def drawn(batches, *, share, new_genre=0.0, batch_size=8, seed=3):
    shares = Shares(share, new_genre)
    return [
        replay_batch(seed, batch, COUNTS, batch_size=batch_size, shares=shares)
        for batch in range(batches)
    ]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.3, 0.5, 1.0])
def test_of_the_first_windows_the_stated_share_is_replayed(share):
    replayed = np.array(drawn(20, share=share)).ravel() >= COUNTS[0]
    numbers = np.arange(1, 161)
    np.testing.assert_array_equal(np.cumsum(replayed), np.floor(numbers * share))


def test_half_of_each_batch_is_replayed():
    for batch in drawn(10, share=0.5):
        assert sum(index >= COUNTS[0] for index in batch) == 4


def test_each_kind_is_shuffled_anew_when_all_of_it_has_been_drawn():
    indices = [index for batch in drawn(35, share=0.5) for index in batch]
    songs = [index for index in indices if index < COUNTS[0]]
    corpus = [index - COUNTS[0] for index in indices if index >= COUNTS[0]]
    for kind, count in ((songs, COUNTS[0]), (corpus, COUNTS[1])):
        epochs = [kind[k : k + count] for k in range(0, 140, count)]
        assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
        assert len({tuple(epoch) for epoch in epochs}) > len(epochs) // 2


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_of_the_replayed_windows_the_stated_share_is_of_the_new_genre(share):
    indices = np.array(drawn(20, share=0.5, new_genre=share)).ravel()
    replayed = indices[indices >= COUNTS[0]] - COUNTS[0]
    np.testing.assert_array_equal(
        np.cumsum(replayed >= COUNTS[1]), np.floor(np.arange(1, 81) * share)
    )
    # Apart from the genre they are the windows that would be drawn without it.
    plain = np.array(drawn(20, share=0.5)).ravel()
    np.testing.assert_array_equal(replayed % COUNTS[1], plain[plain >= COUNTS[0]] - COUNTS[0])


def test_a_batch_depends_on_seed_and_number_alone():
    assert drawn(6, share=0.5)[5] == replay_batch(3, 5, COUNTS, batch_size=8, shares=Shares(0.5))
    assert drawn(6, share=0.5) != drawn(6, share=0.5, seed=4)
    # The windows of a run are the same, however many a batch has.
    small = [index for batch in drawn(8, share=0.3, batch_size=2) for index in batch]
    large = [index for batch in drawn(2, share=0.3, batch_size=8) for index in batch]
    assert small == large


def test_without_replay_the_batches_are_those_of_the_set_alone():
    for batch in range(5):
        alone = dataset.sample_batch(3, batch, COUNTS[0], 8)
        assert replay_batch(3, batch, COUNTS, batch_size=8, shares=Shares(0.0)) == alone


@pytest.fixture(scope="module")
def folders(tmp_path_factory, tiny_model):
    """A set of a new genre, and one of house that takes the corpus's place."""
    folder = tmp_path_factory.mktemp("replayed")
    for genre, bpm in (("milonga", 110.0), ("house", 125.0)):
        (folder / genre).mkdir()
        soundfile.write(folder / genre / "a.wav", song_samples(bpm=bpm, bars=8), RATE_HZ)
        prepare_songs(SongSetRequest(folder / genre, folder / f"{genre}-set", genre,
                                     str(tiny_model), 0))  # fmt: skip
    return folder


def test_the_windows_of_a_batch_come_with_their_own_conditions_and_music(folders, tiny_model):
    pipeline = DanceToMusicPipeline.from_pretrained(tiny_model)
    from kinetune.model.adapters.adapter_file import extend_genres

    extend_genres(pipeline, ("milonga",))
    settings = tune_settings(
        str(tiny_model), str(folders / "milonga-set"),
        ["diffusion.loop.batch_size=8", "replay=0.25", "replay_new_genre=0.5", "stride_s=1.0",
         f"replay_data='{folders / 'house-set'}'", "diffusion.grid_jitter_s=0.0"],
    )  # fmt: skip
    sets = {name: open_prepared(folders / f"{name}-set") for name in ("milonga", "house")}
    shape = dataset.window_shape(pipeline)
    windows = dataset.list_windows(sets["milonga"], shape, stride_s=1.0)
    latents = cached_latents(sets["milonga"], windows, pipeline, folders)
    conditions = dataset.Conditions(sets["milonga"], pipeline)
    sampler = replaying_sampler(settings, windows, latents, conditions, pipeline, folders)
    _, batch, masks, _ = sampler.batch(0)
    rows = [pipeline.condition_encoder.genre_row(name) for name in ("milonga", "HO")]
    replayed = [3, 7]
    # The second of them is told to be of the new genre.
    assert batch.genre.tolist() == [rows[k == 3] for k in range(8)]
    # The last channel of the grid is the tempo: log2 of beats a minute over 105.
    for k in range(8):
        bpm = 105.0 * 2.0 ** batch.grid[k, :, 5].median().item()
        assert bpm == pytest.approx(125.0 if k in replayed else 110.0, rel=0.04)
    assert masks.shape[0] == 8


def test_a_corpus_is_made_where_none_is_named(folders, tiny_model, tmp_path):
    pipeline = DanceToMusicPipeline.from_pretrained(tiny_model)
    settings = tune_settings(str(tiny_model), "x", ["replay_minutes=0.4"])
    (item,) = open_replay(settings, pipeline, tmp_path).items
    assert item.duration_s == pytest.approx(24.0, abs=0.1)
    assert not item.held_out
    assert len(item.beats_s) > 20
    assert open_replay(settings, pipeline, tmp_path).items == (item,)
    with pytest.raises(ConfigError, match="neither a corpus"):
        open_replay(tune_settings("x", "x", ["replay_data='nowhere'"]), pipeline, tmp_path)
