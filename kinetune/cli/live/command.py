"""``kinetune live``: music for a body that dances now."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kinetune.cli.terminal.options import (
    AnimationOption,
    BlenderOption,
    ForceOption,
    FpsOption,
    JsonOption,
    KeyOption,
    MappingOption,
    read_options,
)
from kinetune.cli.terminal.output import print_line, print_note

if TYPE_CHECKING:
    from kinetune.live.playing.music import LiveMusic
    from kinetune.tasks.live import LiveResult


def command(
    motion: Annotated[
        Path | None, typer.Argument(help="A recorded motion to replay; or give a port.")
    ] = None,
    osc: Annotated[int | None, typer.Option(help="Take a pose stream as OSC on this port.")] = None,
    websocket: Annotated[
        int | None, typer.Option(help="Take a pose stream as JSON over WebSocket on this port.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to receive on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Record the music (.wav).")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Play on this audio device (part of its name), or default.")
    ] = None,
    midi_clock: Annotated[
        str | None, typer.Option(help="Send MIDI clock to this output (part of its name).")
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Lead an Ableton Link session with tempo and beat.")
    ] = False,
    genre: Annotated[str, typer.Option(help="Genre.")] = "house",
    seed: Annotated[int, typer.Option(help="Random seed of the song.")] = 0,
    key: KeyOption = None,
    chords: Annotated[
        str | None,
        typer.Option(help="Chords, one per bar, such as 'Am F C G'. (default: from the seed)"),
    ] = None,
    bpm: Annotated[
        float | None,
        typer.Option(help="Tempo to hold, 30 to 300. (default: follows the body)"),
    ] = None,
    metre: Annotated[int, typer.Option(help="Beats per bar, 3 or 4.")] = 4,
    count_in: Annotated[
        bool, typer.Option("--count-in/--no-count-in", help="Lead in with a stroke a beat.")
    ] = True,
    window: Annotated[
        float, typer.Option(help="Motion that each reading looks back at, 6 to 60 s.")
    ] = 14.0,
    seconds: Annotated[
        float | None, typer.Option(help="End after so many seconds. (default: with the motion)")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Replay a file as quickly as the machine can.")
    ] = False,
    mapping: MappingOption = None,
    animation: AnimationOption = None,
    fps: FpsOption = None,
    blender: BlenderOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Play music for a body that dances now, ahead of its beat; Ctrl-C ends it."""
    from kinetune.cli.terminal.output import print_json
    from kinetune.tasks.live import LiveRequest, play_live

    request = LiveRequest(
        motion=motion,
        osc_port=osc,
        websocket_port=websocket,
        host=host,
        output=output,
        device="" if device == "default" else device,
        midi_clock=midi_clock,
        link=link,
        genre=genre,
        seed=seed,
        key=key,
        chords=chords,
        bpm=bpm,
        metre=metre,
        count_in=count_in,
        window_s=window,
        limit_s=seconds,
        simulated=fast,
        read=read_options(mapping, animation, fps, blender),
        force=force,
    )
    state = _State()
    result = play_live(request, progress=None if as_json else state.show, ready=_print_ports)
    if as_json:
        print_json(result)
    else:
        _print_result(result)


class _State:
    """Prints when the music begins."""

    def __init__(self) -> None:
        self._begun = False

    def show(self, now_s: float, music: "LiveMusic") -> None:
        if not self._begun and music.follower.trace and music.beats_s:
            self._begun = True
            point = music.follower.trace[-1]
            print_note(
                f"{now_s:.1f} s: the beat is read ({point.bpm:.1f} bpm, probability "
                f"{point.confidence:.2f}); the music begins at {music.beats_s[0]:.1f} s"
            )


def _print_ports(osc: int | None, websocket: int | None) -> None:
    if osc is not None:
        print_note(f"OSC on UDP port {osc}")
    if websocket is not None:
        print_note(f"WebSocket on port {websocket}")


def _print_result(result: "LiveResult") -> None:
    if not result.beats:
        print_line("nothing was played: no beat was read from the motion")
    else:
        print_line(
            f"{result.duration_s:.1f} s, {result.bars} bars at {result.bpm:.1f} bpm (median)"
        )
    if result.phase_lock is not None:
        print_line(f"  phase lock with the whole dance's grid after 8 s: R {result.phase_lock:.2f}")
    print_line(
        f"  load {result.load:.0%}, costliest bar {result.highest_bar_load:.0%}, "
        f"{result.underruns} underruns; beats are placed {result.placed_ahead_s:.2f} s and a beat "
        "ahead"
    )
    if result.messages or result.skipped:
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(result.skipped.items()))
        print_line(f"  {result.messages} messages; skipped: {why or 'none'}")
    if result.output is not None:
        print_line(f"  music: {result.output}")
