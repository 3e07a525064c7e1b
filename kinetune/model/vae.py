"""The VAE between mel spectrogram and latent: our one-dimensional one, and the paper's.

All latents are (B, C, H, W) with time last, so that our VAE (H = 1) and diffusers'
``AutoencoderKL`` (two-dimensional) share the same code. Mel spectrograms are (B, M, L) in
[-1, 1].
"""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from kinetune.errors import ConfigError
from kinetune.model.networks.layers import ResBlock, TimeConv


@dataclass(frozen=True)
class Posterior:
    """A diagonal Gaussian over latents, mean and standard deviation both (B, C, 1, W)."""

    mean: Tensor
    std: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw latents (B, C, 1, W)."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return self.mean + self.std * noise.to(self.mean.device)

    def kl(self) -> Tensor:
        """Return the divergence from the unit Gaussian, nats per latent value, a scalar."""
        variance = self.std.square()
        return 0.5 * (self.mean.square() + variance - 1.0 - variance.log()).mean()


class MelVAE(ModelMixin, ConfigMixin):
    """A variational autoencoder over time with the mel bands as channels.

    Encoder and decoder are each a linear map of a column's frames (see :meth:`fit_linear`) plus a
    convolutional network for what no linear map can do.

    Args:
        mel_bands: M of the spectrogram.
        latent_channels: C of the latent.
        block_out_channels: Channels of each level; time is halved between levels.
        layers_per_block: Residual blocks a level.
        latents_mean: Measured mean of each latent channel over the training set, or none yet.
        latents_std: Measured standard deviation likewise.
    """

    @register_to_config
    def __init__(
        self,
        mel_bands: int = 128,
        latent_channels: int = 64,
        block_out_channels: tuple[int, ...] = (192, 224, 256),
        layers_per_block: int = 1,
        latents_mean: list[float] | None = None,
        latents_std: list[float] | None = None,
    ) -> None:
        super().__init__()
        for name, figures in (("latents_mean", latents_mean), ("latents_std", latents_std)):
            if figures is not None and not _are_numbers(figures, latent_channels):
                raise ConfigError(f"{name} must be {latent_channels} numbers, found {figures!r}")
        widths = tuple(block_out_channels)
        patch = 2 ** (len(widths) - 1)
        self.analysis = TimeConv(mel_bands, latent_channels, patch, stride=patch)
        self.synthesis = nn.ConvTranspose1d(latent_channels, mel_bands, patch, stride=patch)
        self.encoder = _encoder(mel_bands, widths, layers_per_block, 2 * latent_channels)
        self.decoder = _decoder(mel_bands, widths, layers_per_block, latent_channels)

    def encode(self, mel: Tensor) -> Posterior:
        """Encode (B, M, L) in [-1, 1], L a multiple of the frames a column."""
        shift, log_std = self.encoder(mel).chunk(2, dim=1)  # (B, M, L) -> (B, 2C, W)
        mean = self.analysis(mel) + shift
        # A twentieth of the unit latent to begin with: the linear codec passes almost untouched.
        std = (log_std - 3.0).clamp(-8.0, 4.0).exp()
        return Posterior(mean[:, :, None], std[:, :, None])

    def decode(self, latents: Tensor) -> Tensor:
        """Decode (B, C, 1, W) to a mel spectrogram (B, M, L)."""
        mel: Tensor = self.synthesis(latents[:, :, 0]) + self.decoder(latents[:, :, 0])
        return mel

    @torch.no_grad()
    def fit_linear(self, mel: Tensor) -> None:
        """Set the linear path to the principal components of spectrograms (N, M, L).

        The best linear codec is known without training: the leading components of all patches of a
        column's frames, each brought to unit variance. The networks start at zero beside it and
        learn only what it leaves.
        """
        channels, bands, frames = self.analysis.weight.shape
        patches = mel.unfold(2, frames, frames).transpose(1, 2)  # (N, M, L) -> (N, W, M, frames)
        patches = patches.reshape(-1, bands * frames).double()
        mean = patches.mean(dim=0)
        values, vectors = torch.linalg.eigh(torch.cov(patches.T))
        spread = values[-channels:].clamp(min=1e-6).sqrt()
        leading = vectors[:, -channels:].T  # (C, M * frames)
        self.analysis.weight.copy_((leading / spread[:, None]).view(channels, bands, frames))
        _bias(self.analysis).copy_(-(leading @ mean) / spread)
        self.synthesis.weight.copy_((leading * spread[:, None]).view(channels, bands, frames))
        _bias(self.synthesis).copy_(mean.view(bands, frames).mean(dim=1))

    def forward(self, mel: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the reconstruction (B, M, L) through one sampled latent."""
        return self.decode(self.encode(mel).sample(generator))


def encode_mel(
    vae: "MelVAE | AutoencoderKL", mel: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Return scaled, sampled latents (B, C, H, W) of mel spectrograms (B, M, L)."""
    mean, std = posterior_of(vae, mel)
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype).to(mean.device)
    return scale_latents(vae, mean + std * noise)


def posterior_of(vae: "MelVAE | AutoencoderKL", mel: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (B, C, H, W), unscaled, of mel spectrograms (B, M, L)."""
    if isinstance(vae, AutoencoderKL):
        distribution = vae.encode(mel[:, None]).latent_dist
        return distribution.mean, distribution.std
    posterior = vae.encode(mel)
    return posterior.mean, posterior.std


def decode_latents(vae: "MelVAE | AutoencoderKL", latents: Tensor) -> Tensor:
    """Return mel spectrograms (B, M, L) in [-1, 1] of scaled latents (B, C, H, W)."""
    latents = unscale_latents(vae, latents)
    return decode_raw(vae, latents).clamp(-1.0, 1.0)


def decode_raw(vae: "MelVAE | AutoencoderKL", latents: Tensor) -> Tensor:
    """Decode unscaled latents: (B, C, H, W) -> (B, M, L)."""
    if isinstance(vae, AutoencoderKL):
        mel: Tensor = vae.decode(latents).sample[:, 0]
        return mel
    return vae.decode(latents)


def scale_latents(vae: "MelVAE | AutoencoderKL", latents: Tensor) -> Tensor:
    """Bring raw latents to unit scale by the VAE's own measured or published figures."""
    shift, scale = _affine(vae, latents)
    return (latents - shift) / scale


def unscale_latents(vae: "MelVAE | AutoencoderKL", latents: Tensor) -> Tensor:
    """Undo :func:`scale_latents`."""
    shift, scale = _affine(vae, latents)
    return latents * scale + shift


def channel_gains(vae: "MelVAE | AutoencoderKL") -> Tensor:
    """Return how much a unit of each scaled latent channel weighs in the spectrogram, (C,).

    Measured on our VAE by its linear path; the paper's has one channel, and that weighs 1.
    """
    if not isinstance(vae, MelVAE):
        return torch.ones(vae.config.latent_channels)
    weight = vae.synthesis.weight.detach().float()  # (C, M, frames)
    return weight.norm(dim=(1, 2)) * _affine(vae, weight)[1].flatten()


def frames_per_column(vae: "MelVAE | AutoencoderKL") -> int:
    """Return the number of mel frames per latent column."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


def _affine(vae: "MelVAE | AutoencoderKL", like: Tensor) -> tuple[Tensor, Tensor]:
    if not isinstance(vae, MelVAE):
        return like.new_zeros(()), like.new_tensor(1.0 / vae.config.scaling_factor)
    if vae.config.latents_mean is None:
        return like.new_zeros(()), like.new_ones(())
    shift = like.new_tensor(vae.config.latents_mean)[None, :, None, None]
    scale = like.new_tensor(vae.config.latents_std)[None, :, None, None]
    return shift, scale


def _are_numbers(values: object, count: int) -> bool:
    """Return whether ``values`` is a list of so many numbers."""
    if not isinstance(values, list | tuple) or len(values) != count:
        return False
    return all(isinstance(value, int | float) for value in values)


def _encoder(bands: int, widths: tuple[int, ...], layers: int, out_channels: int) -> nn.Sequential:
    parts: list[nn.Module] = [TimeConv(bands, widths[0], 3, padding=1)]
    for level, width in enumerate(widths):
        if level:
            parts.append(TimeConv(widths[level - 1], width, 4, stride=2, padding=1))
        parts += [ResBlock(width, width) for _ in range(layers)]
    parts += [
        ResBlock(widths[-1], widths[-1]),
        nn.GroupNorm(16, widths[-1]),
        nn.SiLU(),
        _silent(TimeConv(widths[-1], out_channels, 3, padding=1)),
    ]
    return nn.Sequential(*parts)


def _decoder(bands: int, widths: tuple[int, ...], layers: int, in_channels: int) -> nn.Sequential:
    parts: list[nn.Module] = [
        TimeConv(in_channels, widths[-1], 3, padding=1),
        ResBlock(widths[-1], widths[-1]),
    ]
    for level in reversed(range(len(widths))):
        parts += [ResBlock(widths[level], widths[level]) for _ in range(layers + 1)]
        if level:
            parts.append(nn.ConvTranspose1d(widths[level], widths[level - 1], 4, 2, padding=1))
    parts += [nn.GroupNorm(16, widths[0]), nn.SiLU()]
    parts.append(_silent(TimeConv(widths[0], bands, 3, padding=1)))
    return nn.Sequential(*parts)


def _silent(convolution: nn.Conv1d) -> nn.Conv1d:
    """Return the convolution with weights of zero."""
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(_bias(convolution))
    return convolution


def _bias(convolution: nn.Conv1d | nn.ConvTranspose1d) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias
