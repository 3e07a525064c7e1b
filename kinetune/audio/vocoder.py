"""A small neural vocoder: mel spectrogram to stereo waveform.

Mel frames → a backbone at their rate and one at four times that → for every bin of three
spectrograms (long windows for the bass, short ones for the treble) the levels of mid and side, and
the phase differences along time and frequency. The phases are integrated
(:mod:`kinetune.audio.phase`) and the spectrograms turned into sound by inverse Fourier transforms.
Inverse transforms as the head of a network: Vocos (Siuzdak 2023); phases from their derivatives:
Průša & Søndergaard 2016. Axes: B batch, M mel bands, L mel frames, T frames of a band's
spectrogram, K bins of a band, C channels of the network, N samples.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinetune.config import Count, Positive, Share, settings
from kinetune.errors import ConfigError

# What the head says of a bin: log magnitudes of mid and side; then, each as cosine and sine and
# the nearer to the unit circle the surer it is, the middle's phase step along time, that along the
# bins, and the side channel's phase relative to the middle's.
NUMBERS_A_BIN = 8


@settings
class VocoderConfig:
    """Figures of a vocoder.

    Attributes:
        mel_bands: M of the spectrogram it reads.
        mel_hop_samples: Samples of the output from mel frame to mel frame.
        rate_hz: Samples per second of the output.
        windows: Window length of each band's spectrogram, samples, lowest band first.
        hops: Samples from frame to frame of each band.
        edges_hz: Where a band ends and the next begins, one fewer than bands.
        noise_shares: How much of the power of bins whose phase steps are unsure is noise, in each
            band.
        coarse_channels: C at the rate of the mel frames.
        coarse_blocks: Blocks there.
        fine_factor: Finer frames a mel frame.
        fine_channels: C at the finer rate.
        fine_blocks: Blocks there.

    Raises:
        ConfigError: The figures contradict each other.
    """

    mel_bands: Count = 128
    mel_hop_samples: Count = 1024
    rate_hz: Count = 44_100
    windows: tuple[Count, ...] = (4096, 2048, 512)
    hops: tuple[Count, ...] = (256, 256, 128)
    edges_hz: tuple[Positive, ...] = (600.0, 2400.0)
    noise_shares: tuple[Share, ...] = (0.3, 0.3, 0.0)
    coarse_channels: Count = 272
    coarse_blocks: Count = 3
    fine_factor: Count = 4
    fine_channels: Count = 224
    fine_blocks: Count = 4

    def __post_init__(self) -> None:
        counts = len(self.windows), len(self.hops), len(self.noise_shares), len(self.edges_hz) + 1
        if len(set(counts)) != 1:
            raise ConfigError(
                "a vocoder needs a window, a hop and a share of noise for each band and an edge "
                f"between any two, found {', '.join(map(str, counts[:3]))} and {counts[3] - 1}"
            )
        if any(self.fine_hop % hop for hop in self.hops):
            raise ConfigError(
                f"the hops {self.hops} must divide the finer frames' {self.fine_hop} samples"
            )

    @property
    def fine_hop(self) -> int:
        """Samples from finer frame to finer frame."""
        return self.mel_hop_samples // self.fine_factor

    @property
    def bands(self) -> tuple["Band", ...]:
        """The bands, lowest first."""
        ends = (0.0, *self.edges_hz, self.rate_hz / 2)
        return tuple(
            Band(window, hop, self.fine_hop // hop, low, high, noise, self.rate_hz)
            for window, hop, low, high, noise in zip(
                self.windows, self.hops, ends[:-1], ends[1:], self.noise_shares, strict=True
            )
        )


# Half the width of the cross-fade between two bands.
_HALF_FADE_HZ = 60.0


@dataclass(frozen=True)
class Band:
    """A frequency range with its own window.

    Attributes:
        window: Samples.
        hop: Samples.
        steps: Frames a finer frame of the network.
        low_hz: Where it begins.
        high_hz: Where it ends.
        noise_share: How much of the power of bins whose phase steps are unsure is noise.
        rate_hz: Samples per second.
    """

    window: int
    hop: int
    steps: int
    low_hz: float
    high_hz: float
    noise_share: float
    rate_hz: int

    @property
    def bin_hz(self) -> float:
        """Distance of two bins."""
        return self.rate_hz / self.window

    @property
    def stride(self) -> int:
        """Every so-manieth frame is turned into sound: four windows over each other are enough."""
        return max(1, self.window // (4 * self.hop))

    @property
    def synthesis_hop(self) -> int:
        """Samples between the frames that are turned into sound."""
        return self.hop * self.stride

    @property
    def first(self) -> int:
        """Lowest bin."""
        return max(0, int((self.low_hz - 2 * _HALF_FADE_HZ) / self.bin_hz) - 1)

    @property
    def count(self) -> int:
        """K, how many bins there are."""
        last = int((self.high_hz + 2 * _HALF_FADE_HZ) / self.bin_hz) + 2
        return min(self.window // 2, last) + 1 - self.first

    @property
    def centre_steps(self) -> Tensor:
        """How far the phase of a bin's centre moves from frame to frame, radians, (K,)."""
        bins = torch.arange(self.first, self.first + self.count, dtype=torch.float64)
        return (2.0 * torch.pi * self.hop / self.window * bins).float()

    @property
    def shares(self) -> Tensor:
        """Cross-over weight of each bin in this band, against the neighbouring bands, (K,)."""
        hz = self.bin_hz * torch.arange(self.first, self.first + self.count)
        share = torch.ones(self.count)
        if self.low_hz > 0.0:
            share *= ((hz - self.low_hz) / (2.0 * _HALF_FADE_HZ) + 0.5).clamp(0.0, 1.0)
        if self.high_hz < self.rate_hz / 2:
            share *= ((self.high_hz - hz) / (2.0 * _HALF_FADE_HZ) + 0.5).clamp(0.0, 1.0)
        return share


def coarse_dilation(block: int) -> int:
    """Mel frames between the taps of a block at their rate."""
    return 1 + block % 2


def fine_dilation(block: int) -> int:
    """Finer frames between the taps of a block at the finer rate."""
    return (1, 2, 4)[block % 3]


class VocoderNetwork(nn.Module):
    """Mel spectrograms in, what the bins do out."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.config = config
        coarse, fine = config.coarse_channels, config.fine_channels
        self.inlet = TapLinear(config.mel_bands, coarse, dilation=1)
        self.coarse = nn.ModuleList(
            Block(coarse, dilation=coarse_dilation(i)) for i in range(config.coarse_blocks)
        )
        self.finer = nn.Linear(coarse, config.fine_factor * fine)
        self.fine = nn.ModuleList(
            Block(fine, dilation=fine_dilation(i)) for i in range(config.fine_blocks)
        )
        self.norm = nn.LayerNorm(fine)
        numbers = sum(b.steps * b.count for b in config.bands) * NUMBERS_A_BIN
        self.head = nn.Linear(fine, numbers)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    @property
    def reach(self) -> int:
        """How many mel frames to either side a frame of the output depends on, at most."""
        coarse = 1 + sum(coarse_dilation(i) for i in range(self.config.coarse_blocks))
        fine = sum(fine_dilation(i) for i in range(self.config.fine_blocks))
        return coarse + -(-fine // self.config.fine_factor)

    def forward(self, mel: Tensor) -> list[Tensor]:
        """Return for each band (B, T, 8, K), T = steps * fine_factor * L, of mel (B, M, L)."""
        values = self.inlet(mel.transpose(1, 2))
        for block in self.coarse:
            values = block(values)
        values = self.finer(values).unflatten(2, (self.config.fine_factor, -1)).flatten(1, 2)
        for block in self.fine:
            values = block(values)
        values = self.norm(values)
        bands = self.config.bands
        counts = [b.steps * NUMBERS_A_BIN * b.count for b in bands]
        # A product for each band: parts of one product would have to be copied.
        parts = [
            functional.linear(values, weight, bias)
            for weight, bias in zip(
                self.head.weight.split(counts), self.head.bias.split(counts), strict=True
            )
        ]
        return [
            part.unflatten(2, (b.steps, NUMBERS_A_BIN, b.count)).flatten(1, 2)
            for part, b in zip(parts, bands, strict=True)
        ]


class TapLinear(nn.Module):
    """A convolution over three rows as one matrix product: (B, T, C_in) -> (B, T, C_out).

    Args:
        in_channels: C_in.
        out_channels: C_out.
        dilation: Rows between the taps.
    """

    def __init__(self, in_channels: int, out_channels: int, *, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.product = nn.Linear(3 * in_channels, out_channels)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the convolved rows; beyond both ends there is silence (zeros)."""
        if torch.is_autocast_enabled("cpu"):
            # The taps are copies: better small ones.
            rows = rows.to(torch.get_autocast_dtype("cpu"))
        reach, count = self.dilation, rows.shape[1]
        wide = functional.pad(rows, (0, 0, reach, reach))
        taps = torch.cat([wide[:, i * reach : i * reach + count] for i in range(3)], dim=2)
        out: Tensor = self.product(taps)
        return out


class Block(nn.Module):
    """Adds to (B, T, C) what a convolution of three taps and a product make of it.

    Args:
        channels: C.
        dilation: Rows between the taps.
    """

    def __init__(self, channels: int, *, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.widen = TapLinear(channels, 2 * channels, dilation=dilation)
        self.narrow = nn.Linear(2 * channels, channels)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the rows, changed."""
        wide = functional.gelu(self.widen(self.norm(rows)), approximate="tanh")
        out: Tensor = rows + self.narrow(wide)
        return out
