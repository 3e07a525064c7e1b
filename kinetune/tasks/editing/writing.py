"""Files beside an edited sound."""

from kinetune.tasks.editing.request import EditRequest
from kinetune.tasks.film import write_film
from kinetune.tasks.music import Music
from kinetune.tasks.requests.progress import Progress, stage


def write_edit_film(request: EditRequest, music: Music, progress: Progress | None) -> None:
    """Write the film of an edit, if one was requested."""
    if request.film.path is not None:
        write_film(
            request.film.path, music.clip, music.beats, music.sound, title=music.title,
            options=request.film, marks=music.marks,
            progress=stage(progress, f"{request.music.name}: filming"),
        )  # fmt: skip
