"""Request and result of live music. Seconds."""

from dataclasses import dataclass, field
from pathlib import Path

from kinetune.errors import ConfigError
from kinetune.motion.io.formats import ReadOptions
from kinetune.tasks.requests.beat_options import FASTEST_BPM, SLOWEST_BPM

_LEAST_WINDOW_S, _LONGEST_WINDOW_S = 6.0, 60.0


@dataclass(frozen=True)
class LiveRequest:
    """What moves, what is played, and where to.

    Attributes:
        motion: A recorded motion to replay; None takes a stream.
        osc_port: UDP port for OSC messages; None takes none.
        websocket_port: TCP port for JSON messages over WebSocket; None takes none.
        host: Address that both listen on.
        output: WAV file of the music; None writes none.
        device: Audio device, part of its name; empty for the default, None for none.
        midi_clock: MIDI output for the clock, part of its name; None sends none.
        link: Whether to lead an Ableton Link session.
        genre: Name or code.
        seed: Of song and notes.
        key: Key of the song; drawn if None.
        chords: A chord a bar, repeated; drawn if None.
        bpm: Tempo to hold, 30 to 300; read from the body if None.
        metre: Beats to the bar, 3 or 4.
        count_in: Whether a stroke a beat leads to the first bar.
        window_s: Motion that each reading looks back at, 6 to 60 s.
        limit_s: Longest session; None plays until motion or user ends it.
        simulated: Whether a file is replayed as quickly as the machine can.
        read: What the motion file doesn't state itself.
        force: Whether to replace a file that exists.

    Raises:
        ConfigError: There is no motion or more than one kind, nowhere to play, or a number is out
            of range.
    """

    motion: Path | None = None
    osc_port: int | None = None
    websocket_port: int | None = None
    host: str = "127.0.0.1"
    output: Path | None = None
    device: str | None = None
    midi_clock: str | None = None
    link: bool = False
    genre: str = "house"
    seed: int = 0
    key: str | None = None
    chords: str | None = None
    bpm: float | None = None
    metre: int = 4
    count_in: bool = True
    window_s: float = 14.0
    limit_s: float | None = None
    simulated: bool = False
    read: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False

    def __post_init__(self) -> None:
        self._check_motion()
        if (self.output, self.device, self.midi_clock) == (None,) * 3 and not self.link:
            raise ConfigError(
                "live needs somewhere to play: -o FILE.wav, --device, --midi-clock or --link"
            )
        if self.output is not None and self.output.suffix.lower() != ".wav":
            raise ConfigError(f"{self.output}: live music is written as .wav")
        if self.bpm is not None and not SLOWEST_BPM <= self.bpm <= FASTEST_BPM:
            raise ConfigError(f"bpm must be {SLOWEST_BPM:g} to {FASTEST_BPM:g}, found {self.bpm:g}")
        if not _LEAST_WINDOW_S <= self.window_s <= _LONGEST_WINDOW_S:
            raise ConfigError(
                f"the window must be {_LEAST_WINDOW_S:g} to {_LONGEST_WINDOW_S:g} s, found "
                f"{self.window_s:g}"
            )
        if self.limit_s is not None and not self.limit_s > 0.0:
            raise ConfigError(f"the length must be above 0 s, found {self.limit_s:g}")

    def _check_motion(self) -> None:
        ports = [port for port in (self.osc_port, self.websocket_port) if port is not None]
        if (self.motion is None) == (not ports):
            raise ConfigError("live needs either a motion file, or --osc PORT or --websocket PORT")
        for port in ports:
            if not 0 <= port <= 65535:
                raise ConfigError(f"a port is 0 to 65535, found {port}")
        plays = (self.device, self.midi_clock) != (None, None) or self.link
        if self.simulated and (self.motion is None or plays):
            raise ConfigError("--fast replays a file into a file; leave device, MIDI and ports out")


@dataclass(frozen=True)
class LiveResult:
    """What was played.

    Attributes:
        output: The WAV file, or None.
        duration_s: Length of the music.
        beats: Beats that were played.
        bars: Bars that were played, the count-in left out.
        bpm: Median tempo; 0 if nothing was played.
        confidence: Probability that the last reading is right, 0 to 1.
        phase_lock: R of the music's beats and those read from the whole dance, after 8 s; None for
            a stream.
        underruns: Blocks that came too late.
        load: Time to compose and render over the time it plays, mean.
        highest_bar_load: The same of the costliest bar.
        block_s: Length of a block of sound.
        placed_ahead_s: How long before it is played a beat is placed, without the beat's length.
        messages: Messages that were used, of a stream.
        skipped: Messages that were not used, by reason.
        interrupted: Whether the user ended it.
    """

    output: str | None
    duration_s: float
    beats: int
    bars: int
    bpm: float
    confidence: float
    phase_lock: float | None
    underruns: int
    load: float
    highest_bar_load: float
    block_s: float
    placed_ahead_s: float
    messages: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False
