"""Vocoder synthesis: cross-over sums to one, reconstruction of a known sound, chunk continuity."""

import numpy as np
import pytest
import torch

from kinetune.audio.vocoder import Band, VocoderConfig, VocoderNetwork
from kinetune.audio.vocoding import _BandSynthesis, synthesise_waveform
from kinetune.errors import AudioError, ConfigError

SMALL = VocoderConfig(
    mel_bands=16, coarse_channels=16, coarse_blocks=2, fine_channels=16, fine_blocks=2
)
RATE_HZ, FRAMES = 44_100, 60


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = VocoderNetwork(SMALL).eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in made.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    return made


def music(n_samples):
    """Two gliding tones panned apart and a few clicks, (N, 2)."""
    rng = np.random.default_rng(2)
    time_s = np.arange(n_samples) / RATE_HZ
    low = 0.3 * np.sin(2 * np.pi * (220.0 * time_s + 8.0 * time_s**2))
    high = 0.2 * np.sin(2 * np.pi * 3_100.0 * time_s)
    clicks = np.zeros(n_samples)
    for start in range(5_000, n_samples - 2_000, 9_000):
        clicks[start : start + 900] += 0.4 * rng.normal(size=900) * np.exp(-np.arange(900) / 150)
    left, right = low + 0.4 * high + clicks, 0.6 * low + high + clicks
    return np.stack([left, right], axis=1).astype(np.float32)


class KnownSpectra:
    """In place of a network: the true levels and phase steps of a known sound."""

    def __init__(self, sound, config):
        self.config, self.reach = config, 0
        self.middle = torch.from_numpy(sound.mean(axis=1))
        self.side = torch.from_numpy(0.5 * (sound[:, 0] - sound[:, 1]))

    def __call__(self, mel):
        return [self._band(band, mel.shape[2]) for band in self.config.bands]

    def _band(self, band, frames):
        window = torch.hann_window(band.window)
        ends = band.window // 2
        spectra = []
        for samples in (self.middle, self.side):
            wide = torch.nn.functional.pad(samples, (ends + band.hop, ends + self.config.fine_hop))
            pieces = wide.unfold(0, band.window, band.hop)
            count = frames * self.config.fine_factor * band.steps + 1
            spectrum = torch.fft.rfft(pieces[:count] * window * 2.0 / window.sum())
            spectra.append(spectrum[:, band.first : band.first + band.count])
        middle, side = spectra
        steps = torch.angle(middle[1:] * middle[:-1].conj()) - band.centre_steps
        across = torch.zeros_like(steps)
        across[:, 1:] = torch.angle(-middle[1:, 1:] * middle[1:, :-1].conj())
        aside = torch.angle(side[1:] * middle[1:].conj())
        angles = [f(angle) for angle in (steps, across, aside) for f in (torch.cos, torch.sin)]
        levels = [(part[1:].abs() + 1e-9).log() for part in (middle, side)]
        return torch.stack([*levels, *angles], dim=1)[None]


def test_the_head_gives_back_a_known_sound():
    sound = music(FRAMES * 1024)
    known = 6 * 1024

    made = synthesise_waveform(
        KnownSpectra(sound, SMALL), torch.zeros(16, FRAMES), length=len(sound),
        before=sound[:known], chunk_frames=FRAMES,
    )  # fmt: skip

    part = slice(known, len(sound) - 4096)
    error = np.square(made[part] - sound[part]).sum() / np.square(sound[part]).sum()
    # What is left lies in the cross-fades of the bands, whose windows differ.
    assert 10.0 * np.log10(error) < -20.0


def test_levels_are_kept_from_the_first_sample_on():
    time_s = np.arange(FRAMES * 1024) / RATE_HZ
    tone = (0.5 * np.sin(2 * np.pi * 4_000.0 * time_s)).astype(np.float32)
    sound = np.stack([tone, tone], axis=1)

    made = synthesise_waveform(
        KnownSpectra(sound, SMALL), torch.zeros(16, FRAMES), length=len(sound), chunk_frames=FRAMES
    )

    for part in (slice(0, 1024), slice(20_000, 30_000)):
        assert np.std(made[part]) == pytest.approx(0.5 / np.sqrt(2.0), rel=0.1)
    np.testing.assert_allclose(made[:, 0], made[:, 1], atol=1e-4)


def test_the_first_phases_spread_from_the_loudest_bin():
    voice = _BandSynthesis(SMALL.bands[0], np.random.default_rng(0))
    level = torch.zeros(1, voice.band.count)
    level[0, 1] = 5.0
    along_time, along_bins = torch.rand(2, 1, voice.band.count)
    phases = voice._phases(level, along_time, along_bins)[0]
    climbed = along_bins[0].cumsum(dim=0)
    expected = along_time[0, 1] + climbed - climbed[1]
    torch.testing.assert_close(phases.sin(), expected.sin())
    torch.testing.assert_close(phases.cos(), expected.cos())


@pytest.mark.parametrize(
    ("window", "hop", "stride"), [(4096, 256, 4), (2048, 256, 2), (512, 128, 1), (256, 128, 1)]
)
def test_four_windows_overlap_at_every_sample(window, hop, stride):
    band = Band(window, hop, 1, 0.0, 600.0, 0.0, RATE_HZ)
    assert (band.stride, band.synthesis_hop) == (stride, stride * hop)


@pytest.mark.parametrize("chunk_frames", [9, 25])
def test_chunks_give_the_same_sound_as_the_whole(network, chunk_frames):
    mel = torch.rand((16, FRAMES), generator=torch.Generator().manual_seed(3)) * 2.0 - 1.0

    whole = synthesise_waveform(network, mel, length=FRAMES * 1024, chunk_frames=FRAMES)
    parts = synthesise_waveform(network, mel, length=FRAMES * 1024, chunk_frames=chunk_frames)

    assert np.abs(whole).max() > 0.0
    np.testing.assert_allclose(parts, whole, atol=2e-4 * np.abs(whole).max())


def test_a_frame_depends_on_no_more_than_the_reach(network):
    mel = torch.zeros(1, 16, 41)
    other = mel.clone()
    other[..., 20] = 1.0

    apart = [
        (network(mel)[0] - network(other)[0])[0].flatten(1).abs().amax(dim=1).unflatten(0, (41, -1))
    ][0].amax(dim=1)
    changed = (apart > 0.0).nonzero().flatten()

    assert changed.min() >= 20 - network.reach
    assert changed.max() <= 20 + network.reach
    assert network.reach <= changed.max() - 20 + 1


def test_bands_add_up_to_one_everywhere():
    hz = np.linspace(0.0, RATE_HZ / 2, 5_000)
    total = np.zeros_like(hz)
    for band in SMALL.bands:
        bins_hz = band.bin_hz * np.arange(band.first, band.first + band.count)
        total += np.interp(hz, bins_hz, band.shares.numpy(), left=0.0, right=0.0)

    # Between the bins of a fade the interpolation is off a little.
    assert np.abs(total - 1.0).max() < 0.35
    assert np.abs(total - 1.0).mean() < 0.005


def test_the_seed_changes_the_noise_alone(network):
    mel = torch.zeros(16, 20)
    loud = [synthesise_waveform(network, mel, length=20 * 1024, seed=seed) for seed in (0, 0, 1)]

    np.testing.assert_array_equal(loud[0], loud[1])
    assert np.abs(loud[0] - loud[2]).max() > 0.0


def test_another_spectrogram_is_refused(network):
    with pytest.raises(AudioError, match="16 rows"):
        synthesise_waveform(network, torch.zeros(8, 20), length=1024)


def test_figures_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="3, 3, 3 and 1"):
        VocoderConfig(edges_hz=(600.0,))
    with pytest.raises(ConfigError, match="must divide"):
        VocoderConfig(hops=(256, 256, 100))
