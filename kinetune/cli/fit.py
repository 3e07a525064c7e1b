"""``kinetune fit``: fit songs to a dance, or the dance to a song."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.cli.terminal.options import (
    AnimationOption,
    BeatsOption,
    BlenderOption,
    BpmOption,
    FirstBeatOption,
    ForceOption,
    FpsOption,
    JsonOption,
    MappingOption,
    MetreOption,
    ReadingOption,
    beat_options,
    read_options,
)
from kinetune.cli.terminal.output import print_line
from kinetune.errors import KinetuneError

if TYPE_CHECKING:
    from kinetune.tasks.fitting import FitResult, RankedFits, SongFit


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="SONG... DANCE...",
            help="Songs (.wav, .flac, .ogg, .mp3 or folders of them) and motion files.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The fitted song, as long as the dance; or a folder."),
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="Also render a video of the dance with the song (.mp4).")
    ] = None,
    dance: Annotated[
        Path | None,
        typer.Option(
            help="Retime the dance instead of the song: a .bvh, .glb or .npz file, or a folder."
        ),
    ] = None,
    warp: Annotated[
        list[str] | None,
        typer.Option(help="Also write warp markers for reaper, ableton or as csv; repeatable."),
    ] = None,
    per_beat: Annotated[
        bool, typer.Option("--per-beat", help="Fit beat by beat instead of by one ratio.")
    ] = False,
    from_start: Annotated[
        bool,
        typer.Option(
            "--from-start", help="Begin the song with the dance. (default: where it fits best)"
        ),
    ] = False,
    limit: Annotated[float, typer.Option(help="Largest stretch in percent, above 0 to 10.")] = 10.0,
    bpm: BpmOption = "auto",
    first_beat: FirstBeatOption = None,
    metre: MetreOption = None,
    reading: ReadingOption = 1,
    beats: BeatsOption = None,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    blender: BlenderOption = None,
    plot: Annotated[
        bool, typer.Option(help="Also draw the beats of body and song before and after (.png).")
    ] = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fit a song to a dance: shift and stretch it until the beats of both meet."""
    from kinetune.cli.terminal.output import print_failures, print_json
    from kinetune.cli.terminal.progress import passing_bar
    from kinetune.tasks.fitting import FitRequest, fit

    songs, dances = _sorted(files)
    request = FitRequest(
        songs=songs,
        dances=dances,
        output=output,
        video=video,
        retimed=dance,
        warp=tuple(warp or ()),
        plot=plot,
        limit=limit / 100.0,
        from_start=from_start,
        per_beat=per_beat,
        beats=beat_options(bpm, first_beat, beats, metre=metre, reading=reading),
        read=read_options(mapping, animation, fps, blender),
        force=force,
    )
    with passing_bar(as_json) as progress:
        result = fit(request, progress=progress)
    if not result.dances:
        raise KinetuneError(result.failures[-1].error)
    if as_json:
        print_json(result)
    else:
        _print_result(result)
    if result.failures:
        print_failures(
            f"{len(result.failures)} failed:", (failure.error for failure in result.failures)
        )
        raise typer.Exit(1)


def _sorted(files: list[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Songs and dances; a folder is one of songs if it holds sound files."""
    from kinetune.metrics.evaluation.pairing import SOUND_SUFFIXES

    def is_song(path: Path) -> bool:
        if path.is_dir():
            return any(file.suffix.lower() in SOUND_SUFFIXES for file in path.iterdir())
        return path.suffix.lower() in SOUND_SUFFIXES

    songs = [is_song(path) for path in files]
    return (
        tuple(path for path, song in zip(files, songs, strict=True) if song),
        tuple(path for path, song in zip(files, songs, strict=True) if not song),
    )


def _print_result(result: "FitResult") -> None:
    for ranked in result.dances:
        print_line(f"{ranked.dance}: {ranked.duration_s:.2f} s at {_tempo(ranked.fits[0])}")
        for number, song in enumerate(ranked.fits, start=1):
            _print_song(song, number if len(ranked.fits) > 1 else None)
        _print_files(ranked)


def _tempo(song: "SongFit") -> str:
    return f"{song.dance_bpm:.1f} bpm"


def _print_song(song: "SongFit", number: int | None) -> None:
    rank = "" if number is None else f"{number}  "
    why = f": {song.reason}" if song.reason else ""
    print_line(f"  {rank}{song.song}: {song.verdict}{why}")
    if song.offset_s is None or song.stretch is None:
        return
    begins = (
        f"begins {song.offset_s:.2f} s into the dance"
        if song.offset_s >= 0.0
        else f"the dance begins {-song.offset_s / song.stretch:.2f} s into it"
    )
    print_line(
        f"     {begins}; stretched by {song.stretch - 1.0:+.2%}"
        f" ({song.song_bpm:.1f} bpm becomes {(song.song_bpm or 0.0) / song.stretch:.1f})"
    )
    parts = [f"score {song.score:.2f}, by chance {song.chance_score:.2f}, p {song.p_value:.2f}"]
    if song.energy is not None:
        parts.append(f"energy {song.energy:+.2f}")
    if song.accents is not None:
        parts.append(f"accents {song.accents:.2f} (chance 0.25)")
    if song.similarity is not None:
        parts.append(f"similarity {song.similarity:.2f}")
    print_line(f"     {'; '.join(parts)}")


def _print_files(ranked: "RankedFits") -> None:
    files = ranked.files
    title = "fitted song" if files.stretcher == "none" else f"fitted song ({files.stretcher})"
    named = ((title, files.song), ("retimed dance", files.retimed), ("video", files.video))
    for label, path in (
        *named, *(("warp markers", path) for path in files.warp), ("picture", files.picture),
    ):  # fmt: skip
        if path is not None:
            print_line(f"  {label}: {path}")
