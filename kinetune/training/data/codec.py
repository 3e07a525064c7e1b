"""A model's codec: its spectrogram and its VAE, without the rest of it."""

from dataclasses import dataclass
from pathlib import Path

from diffusers import AutoencoderKL

from kinetune.model.checkpoint import loading_errors
from kinetune.model.mel import Mel, StereoMel
from kinetune.model.pipeline import DanceToMusicPipeline
from kinetune.model.vae import MelVAE


@dataclass(frozen=True, eq=False)
class Codec:
    """Between sound and latents.

    Attributes:
        mel: Makes the spectrograms.
        vae: Encodes them.
    """

    mel: Mel | StereoMel
    vae: MelVAE | AutoencoderKL


def read_codec(name_or_path: str) -> Codec:
    """Return the codec of a model, or of a run whose VAE is trained.

    Args:
        name_or_path: A bundled name, a checkpoint folder or a hub id; or the folder of a run, with
            ``vae/model`` and ``vae/mel`` as ``kinetune train vae`` leaves them.

    Raises:
        ModelError: There is none, or it is damaged.
    """
    folder = Path(name_or_path) / "vae"
    if not (folder / "mel" / Mel.config_name).is_file():
        pipeline = DanceToMusicPipeline.from_pretrained(name_or_path)
        return Codec(pipeline.mel, pipeline.vae)
    with loading_errors(str(folder)):
        table = Mel.load_config(folder / "mel")
        kind = StereoMel if table["_class_name"] == StereoMel.__name__ else Mel
        vae = MelVAE.from_pretrained(folder / "model").float()
        return Codec(kind.from_config(table), vae)
