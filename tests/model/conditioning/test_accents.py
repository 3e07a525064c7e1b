import numpy as np
import pytest
import torch

from kinetune.audio.beats import onset_envelope
from kinetune.audio.griffin_lim import mel_to_samples
from kinetune.audio.mel import MelConfig, log_mel
from kinetune.audio.sound import Sound
from kinetune.model.conditioning import accents
from kinetune.model.conditioning.accents import add_accents, mute, strongest_hit
from kinetune.model.conditioning.control_score import Accent, Silence

CONFIG = MelConfig(n_mels=128, reference="fixed")
RATE_HZ = 22_050


def music():
    """Six seconds of a chord with noisy beats every half second, every other one weaker."""
    rng = np.random.default_rng(0)
    time_s = np.arange(6 * RATE_HZ) / RATE_HZ
    out = 0.05 * np.sin(2 * np.pi * 220.0 * time_s) + 0.01 * rng.normal(size=len(time_s))
    for number, at in enumerate(np.arange(0.25, 5.7, 0.5)):
        tail = np.exp(-(time_s - at) / 0.05) * (time_s >= at)
        out += (0.2 if number % 2 else 0.08) * rng.normal(size=len(time_s)) * tail
    return torch.from_numpy(out.astype(np.float32))[None]


MEL = log_mel(music(), CONFIG)


def onsets(mel):
    samples = mel_to_samples(mel, CONFIG)[0].numpy()
    strength = onset_envelope(Sound(samples, RATE_HZ))
    return np.arange(len(strength)) * 512 / RATE_HZ, strength


@pytest.mark.parametrize("at_s", [1.5, 2.61, 3.97])
def test_an_accent_is_stronger_than_its_neighbours_within_50_ms(at_s):
    times, strength = onsets(add_accents(MEL.clone(), [Accent(at_s)], CONFIG))
    here = strength[np.abs(times - at_s) <= 0.05].max()
    near = strength[(np.abs(times - at_s) > 0.1) & (np.abs(times - at_s) < 1.0)]
    assert here > 1.1 * near.max()
    plain = onsets(MEL)[1]
    assert here > 2 * plain[np.abs(times - at_s) <= 0.05].max()


def test_an_accent_is_prominent_among_hits_as_sharp_as_itself():
    full = MEL.clone()
    hit = strongest_hit(full[0], CONFIG).clone()
    for frame in range(20, full.shape[-1] - 20, 17):
        full[0, :, frame - 3 : frame] -= 0.35
        full[0, :, frame : frame + 8] = hit[:, :8]
    full.clamp_(min=-1.0)
    at_s = 2.61
    times, strength = onsets(add_accents(full, [Accent(at_s)], CONFIG))
    here = strength[np.abs(times - at_s) <= 0.05].max()
    near = strength[(np.abs(times - at_s) > 0.1) & (np.abs(times - at_s) < 1.0)]
    assert here > 1.1 * near.max()


def test_accent_prominence_is_relative_to_neighbours(monkeypatch):
    """A centred frame shows what begins two frames later: that much is taken off."""
    strength = np.zeros(200)
    strength[[52, 55, 72, 90, 110]] = [3.0, 9.0, 2.0, 1.0, 50.0]
    monkeypatch.setattr(accents, "_onset_strength", lambda mel, config: strength)
    # 9.0 lies beside the accent and 50.0 more than a second off: neither is a neighbour.
    assert accents._prominence(MEL[0], 50, CONFIG) == (1.5, 70)


def test_neighbours_within_a_second_are_synthesised_with_an_accent():
    assert accents._AROUND_S > accents._NEAR_S + accents._HIT_S / 2


def test_a_stronger_accent_is_stronger_and_one_of_none_is_none():
    torch.testing.assert_close(add_accents(MEL.clone(), [Accent(2.6, 0.0)], CONFIG), MEL)
    rises = []
    for strength in (0.3, 1.0, 2.0):
        mel = add_accents(MEL.clone(), [Accent(2.6, strength)], CONFIG)
        rises.append(float((mel - MEL).abs().sum()))
        assert mel.min() >= -1.0
        assert mel.max() <= 1.0
    assert rises == sorted(rises)


def test_only_the_accents_surroundings_change():
    mel = add_accents(MEL.clone(), [Accent(2.6)], CONFIG)
    changed = torch.nonzero((mel - MEL).abs().amax(dim=(0, 1)))[:, 0] * 512 / RATE_HZ
    assert changed.min() > 2.4
    assert changed.max() < 3.0


def test_accents_at_the_very_ends_are_possible():
    mel = add_accents(MEL.clone(), [Accent(0.0), Accent(5.999)], CONFIG)
    assert torch.isfinite(mel).all()


def test_the_strongest_hit_is_the_sharpest_rise():
    mel = torch.full((4, 200), -0.5)
    mel[:, 50:60] = 0.0
    mel[:, 120:140] = 0.5
    hit = strongest_hit(mel, CONFIG)
    assert hit.shape == (4, 15)
    assert (hit[:, 1:] == 0.5).all()
    assert strongest_hit(mel[:, :10], CONFIG).shape[1] == 0
    torch.testing.assert_close(
        add_accents(mel[None, :, :10].clone(), [Accent(0.1)], CONFIG), mel[None, :, :10]
    )


def test_a_silence_is_hushed():
    mel = mute(MEL.clone(), [Silence(2.0, 3.0)], CONFIG)
    silent = torch.nonzero((mel == -1.0).all(dim=1)[0])[:, 0] * 512 / RATE_HZ
    assert silent.min() == pytest.approx(2.0, abs=0.025)
    assert silent.max() == pytest.approx(2.93, abs=0.03)


def test_in_a_loop_an_accent_at_an_end_is_one_in_the_middle():
    frames = MEL.shape[-1]
    for at_frame in (2, frames - 3):
        shift = frames // 2 - at_frame
        # Half a window and a frame, so that rounding falls on the same frame.
        at_s, there_s = ((f + 2.1) * 512 / RATE_HZ for f in (at_frame, frames // 2))
        ring = add_accents(MEL.clone(), [Accent(at_s)], CONFIG, loop=True).roll(shift, dims=-1)
        hit = strongest_hit(MEL[0], CONFIG)
        turned = MEL.roll(shift, dims=-1)
        middle = add_accents(turned.clone(), [Accent(there_s)], CONFIG)
        torch.testing.assert_close(strongest_hit(turned[0], CONFIG), hit)
        torch.testing.assert_close(ring, middle)
        assert not torch.equal(ring, turned)


@pytest.mark.parametrize("strength", [0.5, 1.0, 2.0])
def test_a_hit_is_2_db_louder_and_what_precedes_it_14_db_quieter(strength):
    """On a spectrogram of one level, in decibels; both grow with the strength."""
    config = MelConfig(n_mels=4, reference="fixed")
    mel, hit = torch.zeros(4, 40), torch.full((4, 10), 0.25)
    accents._add_hit(mel, hit, 20, strength, config)
    decibels = 0.5 * config.top_db * mel[0]
    # 10 dB above the level around it, and 2 dB more a unit of strength; powers add.
    wanted = 10.0 * np.log10(10.0 ** ((10.0 + 2.0 * strength) / 10.0) + 1.0)
    assert float(decibels[20]) == pytest.approx(wanted, abs=0.01)
    assert float(decibels[19]) == pytest.approx(-14.0 * strength, abs=0.01)
    ducked = (decibels < -1e-3).nonzero().flatten().tolist()
    first = 20 - round(0.12 * config.frame_rate_hz)
    assert ducked == list(range(first + 1, 20))
    assert (decibels[:first] == 0).all()
    assert (decibels[30:] == 0).all()
