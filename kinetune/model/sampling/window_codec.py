"""Encoding and decoding of long spectrograms, window by window.

Windows are as long as those the codec was trained on. M mel bands; f mel frames a latent column.
"""

from diffusers import AutoencoderKL
from torch import Tensor

from kinetune.model.sampling.windows import WindowPlan, map_windows
from kinetune.model.vae import (
    MelVAE,
    decode_latents,
    frames_per_column,
    posterior_of,
    scale_latents,
)


def encode_windows(vae: MelVAE | AutoencoderKL, plan: WindowPlan, mel: Tensor) -> Tensor:
    """Return the latent (1, C, H, total) of a spectrogram (1, M, total * f)."""
    frames = frames_per_column(vae)
    folded = mel.unflatten(-1, (plan.total, frames)).permute(0, 1, 3, 2)  # (1, M, f, total)

    def encoded(windows: Tensor, _: slice) -> Tensor:
        mel = windows.permute(0, 1, 3, 2).flatten(2)
        return scale_latents(vae, posterior_of(vae, mel)[0])

    return map_windows(plan, folded, encoded)


def decode_windows(vae: MelVAE | AutoencoderKL, plan: WindowPlan, latents: Tensor) -> Tensor:
    """Return the spectrogram (1, M, total * f) of a latent (1, C, H, total)."""
    return map_windows(
        plan,
        latents,
        lambda windows, _: decode_latents(vae, windows),
        per_column=frames_per_column(vae),
    )
