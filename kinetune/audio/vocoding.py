"""Waveform synthesis from the outputs of a vocoder network, chunk by chunk.

Tones and attacks get phases integrated from the predicted phase differences. Where these are
uncertain, part of the power is white noise filtered to the predicted magnitudes. Chunks overlap by
the network's receptive field and continue each other's phases, so a piece gives the same samples in
one chunk or in many. Axes: B = 1, M mel bands, L mel frames, T frames of
a band, K bins of a band, N samples; mid and side, then left and right.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinetune.audio.mel import hann_window
from kinetune.audio.phase import integrate_phases
from kinetune.audio.vocoder import Band, VocoderNetwork
from kinetune.errors import AudioError
from kinetune.memmap import releasing

# Mel frames at a time: 5 s of the bundled model's.
CHUNK_FRAMES = 215
# From noise to tones, how sure the steps along the bins are (length of the mean unit number).
_NOISE_CONCENTRATION, _TONE_CONCENTRATION = 0.5, 0.8
# The median magnitude of noise of unit power.
_MEDIAN_OF_NOISE = float(np.sqrt(np.log(2.0)))


@torch.no_grad()
def synthesise_waveform(
    network: VocoderNetwork,
    mel: Tensor,
    *,
    length: int,
    seed: int = 0,
    before: NDArray[np.float32] | None = None,
    chunk_frames: int = CHUNK_FRAMES,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the sound of a log mel spectrogram of any length, in bounded work space.

    Args:
        network: The vocoder.
        mel: Log mel spectrogram in [-1, 1], (M, L).
        length: Samples N wanted at the vocoder's rate.
        seed: Seed of the noise.
        before: Sound (n, 2), n <= N, that stands already where this one begins: what is made goes
            on from its phases, and only samples from n on count.
        chunk_frames: Mel frames at a time.
        out: Zeros (N, 2) to write the sound into, for sounds too long for the memory.

    Returns:
        (N, 2), left and right; ``out`` if it was given.

    Raises:
        AudioError: The shape does not fit the network.
    """
    config = network.config
    if mel.ndim != 2 or mel.shape[0] != config.mel_bands or mel.shape[1] == 0:
        raise AudioError(
            f"expected a mel spectrogram with {config.mel_bands} rows and a frame or more, "
            f"found {tuple(mel.shape)}"
        )
    made = np.zeros((length, 2), np.float32) if out is None else out
    syntheses = [
        _BandSynthesis(band, np.random.default_rng([seed, i]))
        for i, band in enumerate(config.bands)
    ]
    if before is not None:
        for synthesis in syntheses:
            synthesis.follow(before)
    reach = network.reach
    for first in releasing(range(0, mel.shape[1], chunk_frames), made, mel):
        end = min(first + chunk_frames, mel.shape[1])
        seen = slice(max(0, first - reach), min(mel.shape[1], end + reach))
        outputs = network(mel[None, :, seen].float())
        for synthesis, output in zip(syntheses, outputs, strict=True):
            frames = config.fine_factor * synthesis.band.steps
            begin = max(first * frames, synthesis.next_frame)
            kept = output[0, begin - seen.start * frames : (end - seen.start) * frames]
            if len(kept):
                _add_block(made, synthesis.spectra(kept, begin), synthesis.band, begin)
    return made


@dataclass(eq=False)
class _BandSynthesis:
    """A band as it continues: the last frame's levels and phases, and the noise's generator."""

    band: Band
    generator: np.random.Generator
    next_frame: int = 0
    level: Tensor | None = None
    phase: NDArray[np.float64] | None = None
    noise: NDArray[np.float32] | None = None

    def spectra(self, output: Tensor, begin: int) -> Tensor:
        """Return left's and right's spectra of the frames that are turned into sound.

        Args:
            output: The output of the network for all frames, (T, 8, K).
            begin: Number of the first of them in the piece.

        Returns:
            (2, T', K), for the frames whose number is a multiple of the band's stride.
        """
        band = self.band
        time, across = (torch.atan2(output[:, i + 1], output[:, i]) for i in (2, 4))
        phase = self._phases(output[:, 0], time + band.centre_steps, across + torch.pi)
        columns = slice(-begin % band.stride, None, band.stride)
        output, phase = output[columns], phase[columns]
        noise = self._noise(len(output))
        unit = torch.polar(torch.ones_like(phase), phase)
        if band.noise_share > 0.0:
            unit = _mixed(unit, noise[0], _noisiness(output[:, 4:6], band))
        # The side's phase is the middle's and a turn where that is sure, else its own.
        turn = torch.polar(torch.ones_like(phase), torch.atan2(output[:, 7], output[:, 6]))
        apart = (1.0 - _concentration(output[:, 6:8])).clamp(0.0, 1.0)
        mid = output[:, 0].exp() * unit
        side = output[:, 1].exp() * _mixed(turn * unit, noise[-1], apart)
        return torch.stack([mid + side, mid - side])

    def follow(self, before: NDArray[np.float32]) -> None:
        """Go on from the last frame that lies within samples (n, 2), if there is one."""
        band = self.band
        last = (len(before) - band.window // 2) // band.hop
        start = last * band.hop - band.window // 2
        if start < 0:
            return
        middle = torch.from_numpy(before[start : start + band.window].mean(axis=1))
        window = hann_window(band.window, middle.device)
        spectrum = torch.fft.rfft(middle * window * (2.0 / window.sum()))
        known = spectrum[band.first : band.first + band.count]
        self.level = known.abs().clamp(min=1e-6).log()[None]
        self.phase = known.angle().double().numpy()
        self.next_frame = last + 1

    def _phases(self, level: Tensor, along_time: Tensor, along_bins: Tensor) -> Tensor:
        if self.level is None or self.phase is None:
            # Nothing sounds before the beginning: its phases come from the loudest bins.
            self.level, self.phase = level[:1] - 30.0, np.zeros(self.band.count)
        levels = torch.cat([self.level, level])
        phases = integrate_phases(levels, along_time, along_bins, self.phase)
        self.level, self.phase = level[-1:], phases[-1]
        return torch.from_numpy(phases).float()

    def _noise(self, frames: int) -> Tensor:
        """Spectra of white noise, median magnitude one: of mid, if needed, and side, (C, T, K)."""
        band = self.band
        kept = np.empty((2, 0), np.float32) if self.noise is None else self.noise
        count = max(0, (frames - 1) * band.synthesis_hop + band.window)
        # Drawn sample by sample, so that the noise does not depend on the chunks.
        fresh = self.generator.standard_normal((max(0, count - kept.shape[1]), 2), dtype=np.float32)
        samples = torch.from_numpy(np.concatenate([kept, fresh.T], axis=1))
        self.noise = samples[:, frames * band.synthesis_hop :].numpy()
        if frames == 0:
            return torch.zeros((2, 0, band.count), dtype=torch.complex64)
        window = hann_window(band.window, samples.device)
        scale = 1.0 / (window.square().sum().sqrt() * _MEDIAN_OF_NOISE)
        # Where no noise is in the middle, the side's alone is transformed.
        if band.noise_share == 0.0:
            samples = samples[1:]
        spectrum = torch.fft.rfft(
            samples.unfold(1, band.window, band.synthesis_hop) * (window * scale)
        )
        return spectrum[..., band.first : band.first + band.count]


def _mixed(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """One spectrum with a share of its power from another."""
    return ((1.0 - share).sqrt() * one).addcmul_(share.sqrt().to(other.dtype), other)


def _concentration(steps: Tensor) -> Tensor:
    """How long the mean unit numbers (T, 2, K) are, (T, K)."""
    return steps.square().sum(dim=1).sqrt()


def _noisiness(across: Tensor, band: Band) -> Tensor:
    """Share of noise in the power of bins, from their phase differences along bins, (T, 2, K)."""
    span = _TONE_CONCENTRATION - _NOISE_CONCENTRATION
    return band.noise_share * ((_TONE_CONCENTRATION - _concentration(across)) / span).clamp(
        0.0, 1.0
    )


def _add_block(made: NDArray[np.float32], spectra: Tensor, band: Band, first: int) -> None:
    """Add a band's spectra, (2, T', K), the first at or next after frame ``first`` of the piece."""
    if spectra.shape[1] == 0:
        return
    window = hann_window(band.window, spectra.device)
    whole = torch.zeros((2, spectra.shape[1], band.window // 2 + 1), dtype=spectra.dtype)
    whole[..., band.first : band.first + band.count] = spectra * band.shares
    # Levels are amplitudes of sines: half of that times the window's sum stands in a bin.
    frames = torch.fft.irfft(whole, n=band.window) * (window * (0.5 * window.sum()))
    strip = _overlap_add(frames, band.synthesis_hop)
    start = -(-first // band.stride) * band.synthesis_hop - band.window // 2
    span = slice(max(0, start), min(len(made), start + strip.shape[1]))
    if span.stop > span.start:
        part = strip[:, span.start - start : span.stop - start].numpy()
        made[span] += (part * _gain(span, band)).T


def _overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Sum of frames each a hop later than the last, (C, T, window) -> (C, N)."""
    channels, count, window = frames.shape
    reach = window // hop
    strip = frames.new_zeros((channels, count + reach - 1, hop))
    hops = frames.view(channels, count, reach, hop)
    for i in range(reach):
        strip[:, i : i + count] += hops[:, :, i]
    return strip.view(channels, -1)


def _gain(span: slice, band: Band) -> NDArray[np.float32]:
    """What levels the overlap at samples of the piece: one over the sum of squared windows.

    Before frame 0 there are no frames: near the beginning fewer windows lie over each other.
    """
    window = hann_window(band.window, torch.device("cpu")).double().square().numpy()
    steady = window.reshape(-1, band.synthesis_hop).sum(axis=0)
    half = band.window // 2
    gain = 1.0 / steady[np.arange(span.start, span.stop) % band.synthesis_hop]
    count = min(half, span.stop) - span.start
    if count > 0:
        # A sample n lies under the windows of frames up to (n + half) // hop.
        sums = np.zeros(2 * band.window)
        for start in range(0, band.window, band.synthesis_hop):
            sums[start : start + band.window] += window
        gain[:count] = 1.0 / sums[half + span.start : half + span.start + count]
    return gain.astype(np.float32)
