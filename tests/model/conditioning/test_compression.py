"""Dynamic range compression of spectrograms."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinetune.audio.mel import MelConfig
from kinetune.errors import ConfigError
from kinetune.model.conditioning.compression import compress
from kinetune.model.presets import preset_config
from kinetune.model.settings import PipelineSettings

# 43.07 frames a second, half of the range 40 dB: a value of 0.1 is 4 dB.
CONFIG = MelConfig(rate_hz=22_050, n_fft=2048, hop_length=512, n_mels=8)
UNIT_DB = CONFIG.top_db / 2.0


def mel_of(levels_db):
    """A spectrogram whose bands all have these levels over the floor, (1, 8, L)."""
    row = torch.as_tensor(np.asarray(levels_db) / UNIT_DB - 1.0, dtype=torch.float32)
    return row.repeat(1, CONFIG.n_mels, 1)


def levels_db(mel):
    return (mel[0, 0].numpy() + 1.0) * UNIT_DB


def pulses(low_db=30.0, high_db=50.0, *, count=20, length=11):
    """Loud and soft stretches of a quarter second in turn."""
    return np.repeat(np.tile([high_db, low_db], count), length)


def test_a_share_of_the_swings_within_a_bar_is_taken_away():
    """The surroundings' power is about (10 ** 5 + 10 ** 3) / 2: 47 dB."""
    made = levels_db(compress(mel_of(pulses()), 0.5, CONFIG))
    middle = slice(5 * 22, -5 * 22)
    loud, soft = (np.median(made[middle][pulses()[middle] == plain]) for plain in (50.0, 30.0))
    around_db = 10.0 * np.log10((10.0**5 + 10.0**3) / 2.0)
    assert loud == pytest.approx(50.0 - 0.5 * (50.0 - around_db), abs=0.3)
    assert soft == pytest.approx(30.0 + 0.5 * (around_db - 30.0), abs=0.5)


def test_levels_that_last_stay_as_they_are():
    """Four seconds at one level, four at another: away from the change nothing happens."""
    plain = np.repeat([50.0, 35.0], 172)
    made = levels_db(compress(mel_of(plain), 0.8, CONFIG))
    for part in (slice(0, 120), slice(224, None)):
        np.testing.assert_allclose(made[part], plain[part], atol=0.01)


def test_no_compression_changes_nothing_and_the_change_has_a_limit():
    plain = mel_of(pulses())
    assert torch.equal(compress(plain.clone(), 0.0, CONFIG), plain)
    quiet = pulses(low_db=8.0, high_db=60.0)
    change = levels_db(compress(mel_of(quiet), 0.9, CONFIG)) - quiet
    assert np.abs(change).max() == pytest.approx(12.0, abs=1e-3)


def test_silence_stays_silent():
    mel = mel_of(pulses())
    mel[:, 4:] = -1.0
    made = compress(mel.clone(), 0.65, CONFIG)
    assert made[:, 4:].eq(-1.0).all()
    assert compress(torch.full((1, 8, 200), -1.0), 0.65, CONFIG).eq(-1.0).all()


def test_a_loop_is_compressed_as_its_repetitions_are():
    pattern = pulses(count=9)
    once = compress(mel_of(pattern), 0.65, CONFIG, loop=True)
    thrice = compress(mel_of(np.tile(pattern, 3)), 0.65, CONFIG)
    count = len(pattern)
    torch.testing.assert_close(once, thrice[..., count : 2 * count], atol=1e-5, rtol=0.0)


def test_older_checkpoints_are_not_compressed_and_impossible_values_are_refused():
    known = PipelineSettings("mono", 512, 512, 32, 16, 2.0)
    assert known.compression == 0.0
    assert preset_config("paper").compression == preset_config("mono").compression == 0.0
    for wrong in (-0.1, 1.0):
        with pytest.raises(ConfigError, match="compression must be 0 or more and below 1"):
            replace(known, compression=wrong)
