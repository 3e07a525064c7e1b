"""Playing of a live request: its source, its sinks and the session between them."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from kinetune.live.connections.ableton_link import LinkSink
from kinetune.live.connections.midi_clock import MidiClockSink, open_port
from kinetune.live.connections.pose_stream import PoseStream
from kinetune.live.connections.receivers import OscReceiver, WebSocketReceiver
from kinetune.live.connections.replay import Replay
from kinetune.live.connections.sinks import DeviceSink, WavSink
from kinetune.live.following.follower import BeatFollower, Executor, FollowOptions, Immediate
from kinetune.live.following.phase_lock import SETTLED_S, phase_lock
from kinetune.live.playing.music import LiveMusic, MusicOptions
from kinetune.live.session import (
    Clock,
    LiveReport,
    SimulatedClock,
    Sink,
    WallClock,
    run_session,
)
from kinetune.motion.beats.beat_grid import beat_grid
from kinetune.motion.clip import MotionClip
from kinetune.motion.io.formats import read_motion_file
from kinetune.tasks.live.request import LiveRequest, LiveResult
from kinetune.tasks.requests.output_paths import check_absent
from kinetune.timebase import bpm_of

Ready = Callable[[int | None, int | None], None]


def play_live(
    request: LiveRequest,
    *,
    progress: Callable[[float, LiveMusic], None] | None = None,
    ready: Ready | None = None,
) -> LiveResult:
    """Play the music of a request until its motion or the user ends it.

    Args:
        request: What to play.
        progress: Called with the time and the music, several times a second.
        ready: Called with the ports of OSC and WebSocket once they are open.

    Raises:
        KinetuneError: The motion can't be read, the output exists, a port or a device can't be
            used.
    """
    if request.output is not None and not request.force:
        check_absent([request.output])
    clip = None
    if request.motion is not None:
        clip = read_motion_file(request.motion, request.read).clip
    source = PoseStream() if clip is None else Replay(clip)
    with contextlib.ExitStack() as stack:
        executor: Executor = Immediate()
        if not request.simulated:
            pool = stack.enter_context(ThreadPoolExecutor(1, "beat reading"))
            executor = pool
        music = _music(request, source, executor)
        port = None if request.midi_clock is None else open_port(request.midi_clock)
        sinks = _device(request, music)
        clock: Clock = SimulatedClock() if request.simulated else WallClock()
        if isinstance(source, PoseStream):
            _receive(request, source, clock, stack, ready)
        began = time.perf_counter() - clock.now()
        if port is not None:
            sinks.append(MidiClockSink(port, began))
        if request.link:
            sinks.append(LinkSink(began, request.metre))
        if request.output is not None:
            # Last, so that nothing is left behind where anything before can't be used.
            rate_hz, channels = music.options.rate_hz, music.options.channels
            sinks.append(WavSink(request.output, rate_hz, channels))
        report = run_session(
            music, source, clock, sinks, limit_s=request.limit_s, progress=progress
        )
    return _result(request, music, report, source, clip)


def _music(request: LiveRequest, source: PoseStream | Replay, executor: Executor) -> LiveMusic:
    follow = FollowOptions(window_s=request.window_s, bpm=request.bpm, metre=request.metre)
    options = MusicOptions(
        request.genre, request.seed, request.key, request.chords, request.metre,
        bpm=request.bpm, count_in=request.count_in,
    )  # fmt: skip
    return LiveMusic(BeatFollower(source, follow, executor), options)


def _device(request: LiveRequest, music: LiveMusic) -> list[Sink]:
    """The audio device, if there is one; its own latency is rendered ahead too."""
    if request.device is None:
        return []
    device = DeviceSink(request.device, music.options.rate_hz, music.options.channels)
    music.options = replace(music.options, ahead_s=music.options.ahead_s + device.latency_s)
    return [device]


def _receive(
    request: LiveRequest,
    stream: PoseStream,
    clock: Clock,
    stack: contextlib.ExitStack,
    ready: Ready | None,
) -> None:
    ports: list[int | None] = [None, None]
    if request.osc_port is not None:
        osc = OscReceiver(stream, request.osc_port, host=request.host, now=clock.now)
        stack.callback(osc.close)
        ports[0] = osc.port
    if request.websocket_port is not None:
        web = WebSocketReceiver(stream, request.websocket_port, host=request.host, now=clock.now)
        stack.callback(web.close)
        ports[1] = web.port
    if ready is not None:
        ready(*ports)


def _result(
    request: LiveRequest,
    music: LiveMusic,
    report: LiveReport,
    source: PoseStream | Replay,
    clip: MotionClip | None,
) -> LiveResult:
    beats_s = report.beats_s
    lock = None
    if clip is not None and len(beats_s):
        grid = beat_grid(clip)
        lock = phase_lock(beats_s, grid.beats_s, from_s=SETTLED_S)
    return LiveResult(
        output=None if request.output is None else str(request.output),
        duration_s=report.duration_s,
        beats=len(beats_s),
        bars=len(report.bars),
        bpm=bpm_of(float(np.median(np.diff(beats_s)))) if len(beats_s) > 1 else 0.0,
        confidence=report.trace[-1].confidence if report.trace else 0.0,
        phase_lock=lock,
        underruns=report.underruns,
        load=report.load,
        highest_bar_load=float(report.bar_loads.max(initial=0.0)),
        block_s=report.block_s,
        placed_ahead_s=music.placed_ahead_s,
        messages=source.received if isinstance(source, PoseStream) else 0,
        skipped=dict(source.skipped) if isinstance(source, PoseStream) else {},
        interrupted=report.interrupted,
    )
