"""Puts a pipeline on the Hugging Face hub, with a model card; ``from_pretrained`` gets it again."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kinetune import files, genres
from kinetune.errors import ModelError
from kinetune.timebase import duration_of

if TYPE_CHECKING:
    from kinetune.model.pipeline import DanceToMusicPipeline

CARD = "README.md"


def publish(
    pipeline: "DanceToMusicPipeline",
    repo_id: str,
    *,
    card: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    commit_message: str = "Upload a kinetune model",
) -> str:
    """Put a pipeline on the hub and return the address of the commit.

    Args:
        pipeline: The model.
        repo_id: ``user/name``; made if missing.
        card: Text of the model card; :func:`card_text` if None.
        private: Whether a new repository is private; the account's default if None.
        token: Access token; that of ``hf auth login`` if None.
        commit_message: Of the commit.

    Raises:
        ModelError: The hub refuses, or can't be reached.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi(token=token)
    try:
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        with tempfile.TemporaryDirectory() as folder:
            pipeline.save_pretrained(Path(folder) / "model")
            text = card_text(pipeline, repo_id) if card is None else card
            files.write_text(Path(folder) / "model" / CARD, text)
            commit = api.upload_folder(
                repo_id=repo_id, folder_path=Path(folder) / "model", commit_message=commit_message
            )
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError) as error:
        raise ModelError(f"{repo_id}: can't be put on the hub ({error})") from error
    return str(commit.commit_url)


def card_text(pipeline: "DanceToMusicPipeline", repo_id: str) -> str:
    """Return the model card of a pipeline as Markdown with the hub's header.

    Args:
        pipeline: The model.
        repo_id: Where it will be.
    """
    settings, mel = pipeline.settings, pipeline.mel.settings
    window_s = duration_of(settings.window_frames * mel.hop_length, mel.rate_hz)
    parameters = sum(
        parameter.numel()
        for network in (pipeline.unet, pipeline.vae, pipeline.condition_encoder)
        for parameter in network.parameters()
    )
    extra = pipeline.condition_encoder.config.get("extra_genres", ())
    known = ", ".join([*genres.NAMES, *extra])
    return f"""---
library_name: kinetune
pipeline_tag: audio-to-audio
tags: [music-generation, dance, motion-capture, diffusion]
---

# {repo_id.rpartition("/")[2]}

A model of kinetune: music for a 3D dance.

```sh
kinetune generate dance.bvh --model {repo_id}
```

| | |
|---|---|
| preset | {settings.preset} |
| parameters | {parameters:,} |
| sound | {pipeline.output_rate_hz} Hz, {"stereo" if pipeline.mel.channels == 2 else "mono"} |
| window | {window_s:.1f} s |
| denoising steps, guidance | {settings.inference_steps}, {settings.guidance_scale:g} |
| genres | {known} |

State here what it was trained on, and under which terms it may be used.
"""
