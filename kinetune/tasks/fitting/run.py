"""Fitting of the songs and dances of a request, and the files of the best song of each dance."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kinetune import timebase
from kinetune.audio.sound import Sound, check_suffix, read_sound, write_sound
from kinetune.errors import ConfigError, OutputError
from kinetune.files import check_writable
from kinetune.fitting.markers import warp_suffix, write_warp_markers
from kinetune.fitting.retime import GLTF_SUFFIXES, retime_bvh, retime_gltf
from kinetune.metrics.evaluation.pairing import SOUND_SUFFIXES
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import read_motion_file, write_motion
from kinetune.tasks.film import write_film
from kinetune.tasks.fitting.in_memory import (
    FittedSong,
    beat_times_in_dance,
    fit_in_memory,
)
from kinetune.tasks.fitting.request import FitFiles, FitRequest, FitResult, RankedFits, SongFit
from kinetune.tasks.requests.failures import Failure, collect_failures
from kinetune.tasks.requests.motion_files import find_motions
from kinetune.tasks.requests.output_paths import FilmOptions, check_absent
from kinetune.tasks.requests.progress import Progress, stage


def fit(request: FitRequest, *, progress: Progress | None = None) -> FitResult:
    """Fit songs to dances, and write the files of the request.

    Args:
        request: What to fit.
        progress: Called with the progress.

    Raises:
        KinetuneError: The only song or dance can't be used, an output exists or can't be written.
    """
    songs = find_songs(request.songs)
    dances = [motion.path for motion in find_motions(request.dances)]
    plans = [_planned(request, dance, songs, len(dances)) for dance in dances]
    if not request.force:
        check_absent([path for plan in plans for path in _paths_of(plan)])
    for plan in plans:
        for path in _paths_of(plan):
            check_writable(path.parent)
    sounds = _Sounds(songs)
    ranked: list[RankedFits] = []
    failures: list[Failure] = []
    for number, (dance, plan) in enumerate(zip(dances, plans, strict=True), start=1):
        with collect_failures(dance, failures):
            ranked.append(_fit_dance(request, dance, sounds, plan, progress))
            if progress is not None:
                progress("fitting", number, len(dances))
    return FitResult(tuple(ranked), (*sounds.failures, *failures))


def find_songs(paths: Sequence[Path]) -> list[Path]:
    """Return sound files, and those of folders by name, each once.

    Raises:
        ConfigError: A folder contains none.
    """
    songs: dict[Path, None] = {}
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(f for f in path.iterdir() if f.suffix.lower() in SOUND_SUFFIXES)
            if not inside:
                raise ConfigError(f"{path}: no sound files ({', '.join(SOUND_SUFFIXES)}) in it")
        songs.update(dict.fromkeys(inside))
    return list(songs)


class _Sounds:
    """The songs of a request; those that can't be read become failures once."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.failures: list[Failure] = []
        self.usable: list[Path] = []
        for path in paths:
            with collect_failures(path, self.failures):
                sound = read_sound(path)
                _check_audible(path, sound)
                self.usable.append(path)
        if not self.usable:
            raise ConfigError(self.failures[0].error)


def _check_audible(path: Path, sound: Sound) -> None:
    from kinetune.metrics.evaluation.audio_analysis import MIN_DURATION_S

    if sound.duration_s < MIN_DURATION_S:
        raise ConfigError(
            f"{path}: expected {MIN_DURATION_S:g} s of music or more, found {sound.duration_s:.2f}"
        )


def _planned(request: FitRequest, dance: Path, songs: Sequence[Path], dances: int) -> FitFiles:
    """The files to write for a dance; names hold the song where there is only one."""
    stem = f"{dance.stem}-{songs[0].stem}" if len(songs) == 1 else f"{dance.stem}-fitted"

    def target(given: Path | None, suffix: str) -> str | None:
        if given is None:
            return None
        if given.suffix and not given.is_dir():
            if dances > 1:
                raise OutputError(f"{given}: one file for {dances} dances; name a folder")
            return str(given)
        return str(given / f"{stem}{suffix}")

    song = target(request.output, ".wav")
    video = target(request.video, ".mp4")
    retimed = target(request.retimed, ".glb" if dance.suffix.lower() in GLTF_SUFFIXES else ".bvh")
    base = Path(song) if song else Path(f"{stem}.wav")
    warp = tuple(str(base.with_suffix(warp_suffix(kind))) for kind in request.warp)
    picture = str(base.with_suffix(".png")) if request.plot else None
    plan = FitFiles(song, retimed, video, warp, picture)
    _check_plan(plan, dance)
    return plan


def _check_plan(plan: FitFiles, dance: Path) -> None:
    if plan.song is not None:
        check_suffix(Path(plan.song))
    if plan.video is not None:
        from kinetune.render.mux import check_suffix as check_film

        check_film(Path(plan.video))
    if plan.retimed is not None:
        suffix, is_gltf = Path(plan.retimed).suffix.lower(), dance.suffix.lower() in GLTF_SUFFIXES
        known = (".glb", ".bvh", ".npz") if is_gltf else (".bvh", ".npz")
        if suffix not in known:
            raise ConfigError(
                f"{plan.retimed}: a dance from {dance.name} is retimed as {' or '.join(known)}"
            )


def _paths_of(plan: FitFiles) -> list[Path]:
    named = (plan.song, plan.retimed, plan.video, plan.picture, *plan.warp)
    return [Path(path) for path in named if path is not None]


def _fit_dance(
    request: FitRequest, dance: Path, sounds: _Sounds, plan: FitFiles, progress: Progress | None
) -> RankedFits:
    clip = read_motion_file(dance, request.read).clip
    ranked = fit_in_memory(
        ((str(path), read_sound(path)) for path in sounds.usable),
        clip,
        beats=request.beats,
        limit=request.limit,
        from_start=request.from_start,
        per_beat=request.per_beat,
    )
    best = ranked[0]
    files = FitFiles()
    if best.fit.time_map is not None:
        _write(request, best, dance, plan, progress)
        stretcher = "none" if plan.retimed else best.stretcher
        files = replace(plan, stretcher=stretcher)
    elif _paths_of(plan):
        raise ConfigError(f"{dance}: no fit, nothing written: {best.fit.reason}")
    return RankedFits(
        str(dance), clip.duration_s, tuple(_song_fit(fitted) for fitted in ranked), files
    )


def _song_fit(fitted: FittedSong) -> SongFit:
    fit, line = fitted.fit, fitted.song.line
    return SongFit(
        song=fit.song,
        verdict=fit.verdict,
        reason=fit.reason,
        offset_s=None if fit.offset_s is None else round(fit.offset_s, 4),
        stretch=None if fit.stretch is None else round(fit.stretch, 6),
        score=round(fit.score, 4),
        chance_score=round(fit.chance_score, 4),
        p_value=round(fit.p_value, 4),
        energy=fit.energy,
        accents=fit.accents,
        song_bpm=None if line is None else round(timebase.bpm_of(line.period_s), 3),
        dance_bpm=round(fitted.body.grid.bpm, 3),
        readings=fit.readings,
        similarity=None if fit.similarity is None else round(fit.similarity, 4),
    )


def _write(
    request: FitRequest, best: FittedSong, dance: Path, plan: FitFiles, progress: Progress | None
) -> None:
    if plan.retimed is not None:
        _write_retimed(best, dance, Path(plan.retimed), request)
    # A retimed dance goes with the song at its own speed.
    sound = best.unstretched if plan.retimed else best.sound
    if plan.song is not None:
        write_sound(Path(plan.song), sound)
    markers = best.markers(Path(best.fit.song))
    for kind, path in zip(request.warp, plan.warp, strict=True):
        write_warp_markers(Path(path), markers, kind)
    if plan.picture is not None:
        from kinetune.render.pictures import draw_fit

        draw_fit(
            Path(plan.picture), best.clip, best.sound,
            (best.song.beats_s, beat_times_in_dance(best)),
            title=f"{Path(best.fit.song).name}: {best.fit.verdict}, stretch {best.fit.stretch:.3f}",
        )  # fmt: skip
    if plan.video is not None:
        _film(Path(plan.video), best, sound, retimed=plan.retimed is not None, progress=progress)


def _write_retimed(best: FittedSong, dance: Path, target: Path, request: FitRequest) -> None:
    """Keep the file's own skeleton where its format allows."""
    if target.suffix.lower() == ".glb":
        first_s = _first_key_s(dance, request)
        retime_gltf(
            dance, target,
            lambda old: best.time_map.in_song(old - first_s) - best.song_start_s,
        )  # fmt: skip
    elif target.suffix.lower() == ".bvh" and best.clip.source == "bvh":
        retime_bvh(dance, target, best.old_times, best.retimed_duration_s, fps=request.read.fps)
    else:
        write_motion(target, best.retimed)


def _first_key_s(dance: Path, request: FitRequest) -> float:
    """Time of the first key of the animation that was read."""
    from kinetune.motion.io.gltf.animation import read_gltf

    return float(read_gltf(dance, animation=request.read.animation).sample_times_s[0])


def _film(
    path: Path, best: FittedSong, sound: Sound, *, retimed: bool, progress: Progress | None
) -> None:
    clip: MotionClip = best.retimed if retimed else best.clip
    grid = best.body.grid
    if retimed:
        from kinetune.motion.beats.beat_grid import grid_of_beats

        beats_s = best.time_map.in_song(grid.beats_s) - best.song_start_s
        grid = replace(grid_of_beats(beats_s, clip.duration_s), metre=grid.metre)
    write_film(
        path, clip, grid, sound, title=f"{clip.name}, {Path(best.fit.song).name}",
        options=FilmOptions(path), progress=stage(progress, f"{path.name}: filming"),
    )  # fmt: skip
