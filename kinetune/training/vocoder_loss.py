"""What a vocoder learns: the magnitudes of every bin, and the derivatives of its phase.

Losses: mean absolute error of the log magnitudes, of the log power of small patches and of the
magnitudes' change along time (attacks); squared distance of the phase differences on the unit
circle, weighted by how loud the bins are. Axes: B batch, T frames of a band, K bins, N samples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from kinetune.audio.vocoder import Band
from kinetune.training.data.recordings import decimation
from kinetune.training.vocoder_config import VocoderTraining


@dataclass(frozen=True, eq=False)
class BandTarget:
    """What a vocoder should predict of a band; phases as cosine and sine, (2, B, T, K).

    Attributes:
        level: Log magnitudes of middle and side, (B, 2, T, K).
        phase_time: Difference of the phase along time, less that of the bin's centre.
        phase_frequency: Difference of the phase along frequency, from the next lower bin, less half
            a turn; (2, B, T, K - 1).
        side_phase: The side's phase relative to the middle's.
        weight: Weight of a bin's phase, (B, T, K), mean one.
        side_weight: Weight of the side's phase likewise.
    """

    level: Tensor
    phase_time: Tensor
    phase_frequency: Tensor
    side_phase: Tensor
    weight: Tensor
    side_weight: Tensor


# Magnitudes are those of sines of full scale; below this is inaudible.
FLOOR = 1e-5


@torch.no_grad()
def band_target(
    samples: Tensor, band: Band, to_target: Callable[..., "BandTarget"] | None = None
) -> BandTarget:
    """Analyse a band's samples, (B, 2, N) at a decimated rate, frame before the first included."""
    factor = decimation(band)
    size, hop = band.window // factor, band.hop // factor
    window = torch.hann_window(size)
    frames = samples.unfold(2, size, hop) * (window * (2.0 / window.sum()))
    spectrum = torch.fft.rfft(frames)[..., band.first : band.first + band.count]
    # Faster than complex numbers: the parts lie apart.
    parts = torch.stack([spectrum.real, spectrum.imag])  # (2, B, 2, T + 1, K)
    return (to_target or target_of_parts)(parts, _centre_steps(band))


def _centre_steps(band: Band) -> Tensor:
    """Cosine and sine of minus the phase difference of the bins' centres, (2, K)."""
    bins = torch.arange(band.first, band.first + band.count)
    angle = -2.0 * torch.pi * bins * (band.hop / band.window)
    return torch.stack([angle.cos(), angle.sin()])


def target_of_parts(parts: Tensor, centre: Tensor) -> BandTarget:
    """Return the targets of spectra given as real and imaginary parts, (2, B, 2, T + 1, K)."""
    power = parts.square().sum(dim=0)
    unit = parts * power.clamp(min=1e-20).rsqrt()
    level = (power[:, :, 1:].sqrt() + FLOOR).log()
    middle, side, before = unit[:, :, 0, 1:], unit[:, :, 1, 1:], unit[:, :, 0, :-1]
    weight = (0.5 * level).exp()
    weight = weight / weight.mean(dim=(2, 3), keepdim=True)
    return BandTarget(
        level,
        _add_angles(_subtract_angles(middle, before), centre[:, None, None]),
        -_subtract_angles(middle[..., 1:], middle[..., :-1]),
        _subtract_angles(side, middle),
        # Between loudness and amplitude: the root.
        weight[:, 0],
        weight[:, 1],
    )


def _add_angles(one: Tensor, other: Tensor) -> Tensor:
    """The sum of two angles given as cosine and sine, (2, ...)."""
    cosine = one[0] * other[0] - one[1] * other[1]
    return torch.stack([cosine, one[0] * other[1] + one[1] * other[0]])


def _subtract_angles(one: Tensor, other: Tensor) -> Tensor:
    """One angle less another."""
    cosine = one[0] * other[0] + one[1] * other[1]
    return torch.stack([cosine, one[1] * other[0] - one[0] * other[1]])


def vocoder_loss(
    predicted: list[Tensor],
    targets: list[BandTarget],
    training: VocoderTraining,
    one_band: Callable[..., dict[str, Tensor]] | None = None,
) -> dict[str, Tensor]:
    """Return the loss and its parts.

    Args:
        predicted: For each band (B, T, 8, K).
        targets: Those of each band.
        training: The weights.
        one_band: A compiled form of :func:`band_loss`.
    """
    parts: dict[str, Tensor] = {}
    for out, target in zip(predicted, targets, strict=True):
        for name, value in (one_band or band_loss)(out.float(), target, training).items():
            parts[name] = parts.get(name, 0.0) + value / len(targets)
    phase = (
        parts["phase_time"] + parts["phase_frequency"] + training.side_weight * parts["side_phase"]
    )
    parts["loss"] = (
        parts["magnitude"]
        + training.energy_weight * parts["patch_power"]
        + training.slope_weight * parts["magnitude_slope"]
        + training.phase_weight * phase
    )
    return parts


def band_loss(out: Tensor, target: BandTarget, training: VocoderTraining) -> dict[str, Tensor]:
    """Return the parts of a band's loss for predictions (B, T, 8, K)."""
    level = out[:, :, :2].transpose(1, 2)  # (B, T, 2, K) -> (B, 2, T, K)
    channel_weight = torch.tensor([1.0, training.side_weight])[:, None, None]
    error = level - target.level
    time, frequency, side = out[:, :, 2:].unflatten(2, (3, 2)).permute(2, 3, 0, 1, 4)
    patch, true_patch = _patch_power(level), _patch_power(target.level)
    return {
        "magnitude": (channel_weight * error.abs()).mean(),
        "magnitude_slope": (channel_weight * error.diff(dim=2).abs()).mean(),
        "patch_power": (channel_weight * (patch - true_patch).abs()).mean(),
        "phase_time": (target.weight * _squared_distance(time, target.phase_time)).mean(),
        "phase_frequency": (
            target.weight[..., 1:] * _squared_distance(frequency[..., 1:], target.phase_frequency)
        ).mean(),
        "side_phase": (target.side_weight * _squared_distance(side, target.side_phase)).mean(),
    }


def _squared_distance(measured: Tensor, unit: Tensor) -> Tensor:
    """Squared distance of points of the plane, (2, B, T, K) -> (B, T, K).

    Least for the mean of all unit numbers that are possible: the less sure, the nearer to zero.
    """
    return (measured - unit).square().sum(dim=0)


def _patch_power(level: Tensor) -> Tensor:
    """Half the log of the mean power of patches of four frames by six bins."""
    return 0.5 * functional.avg_pool2d((2.0 * level).exp(), (4, 6)).add(FLOOR**2).log()
