"""Films of dances with music."""

from pathlib import Path

from kinetune.api.inputs import Dances, Steps, dancers, sound_of
from kinetune.audio.sound import Sound
from kinetune.tasks import film as film_task
from kinetune.tasks.music import Music
from kinetune.tasks.recipe import find_music_recipe
from kinetune.tasks.requests.beat_options import BeatOptions
from kinetune.tasks.requests.output_paths import FilmOptions, check_absent


def film(
    dance: Dances,
    music: Music | Sound | str | Path,
    path: str | Path,
    *,
    overwrite: bool = False,
    progress: Steps | None = None,
) -> Path:
    """Render a video of a dance with music, and return the .mp4 file.

    Args:
        dance: A motion file or a clip; or several dancers, who are filmed together.
        music: Any music; it begins with the dance.
        path: The .mp4 file.
        overwrite: Replace a file that exists.
        progress: Called with pictures done and in all.

    Raises:
        OutputError: The file exists, or can't be written.
        KinetuneError: The dance or the music can't be used.
    """
    target = Path(path)
    if not overwrite:
        check_absent([target])
    clip = dancers(dance)
    sound = sound_of(music)
    recipe = find_music_recipe(Path(music)) if isinstance(music, str | Path) else None
    if isinstance(music, Music):
        grid = music.beats
    else:
        grid = recipe.grid.beat_grid() if recipe else BeatOptions().grid_for(clip)
    film_task.write_film(
        target, clip, grid, sound, title=clip.name, options=FilmOptions(), progress=progress
    )
    return target
