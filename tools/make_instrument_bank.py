"""Makes the bundled instrument bank from two Debian packages, note by note.

    apt-get install fluidsynth fluid-soundfont-gm sonic-pi-samples
    python tools/make_instrument_bank.py [--out kinetune/corpus/data/instruments.zip]

Sources: FluidR3 GM (Frank Wen, MIT) played by FluidSynth, and those one-shots of Sonic Pi whose
entry in the Debian copyright file says CC0; a file with another entry is refused. The bank is a
zip of one mono Ogg Vorbis file an instrument and ``index.json``, read by kinetune/corpus/bank.py.
Seconds, MIDI pitches and velocities; samples mono (N,) at 32 kHz.
"""

import argparse
import io
import json
import re
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy import signal

RATE_HZ = 32_000
QUALITY = 0.6
SOUNDFONT = Path("usr/share/sounds/sf2/FluidR3_GM.sf2")
ONE_SHOTS = Path("usr/share/sonic-pi/samples")
COPYRIGHT = Path("usr/share/doc/sonic-pi-samples/copyright")
# A zone begins where it first rises above this share of its peak, and ends where it stays below.
_BEGINS, _ENDS = 0.004, 0.002
_GAP_S = 0.01
_LEVEL_RMS = 0.25
_CEILING = 0.97
_PIECE_GAP_S = 0.4
_MOST_CENTS = 50

Wave = NDArray[np.float64]


@dataclass(frozen=True)
class Pitched:
    """An instrument of the soundfont, rendered at a ladder of pitches."""

    name: str
    program: int
    low: int
    high: int
    step: int = 6
    hold_s: float = 1.6
    velocities: tuple[int, ...] = (105,)
    sustained: bool = False


@dataclass(frozen=True)
class Kit:
    """One drum of several kits: a rendering for each (kit, key), and one-shot files."""

    name: str
    keys: tuple[tuple[int, int], ...] = ()
    files: tuple[str, ...] = ()
    longest_s: float = 0.8
    #: Keys that are one drum at several pitches, as (key, pitch); of the first kit named.
    pitches: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Zone:
    """One sound of an instrument."""

    wave: Wave
    pitch: float
    force: float
    variant: int
    source: str


_TWO = (62, 115)
PITCHED = (
    Pitched("grand_piano", 0, 33, 93, hold_s=2.2, velocities=_TWO),
    Pitched("rhodes", 4, 36, 84, hold_s=2.0, velocities=_TWO),
    Pitched("chorused_piano", 5, 36, 84, 8, hold_s=1.8),
    Pitched("clavi", 7, 40, 82, hold_s=0.9, velocities=_TWO),
    Pitched("music_box", 10, 60, 96, 9, hold_s=1.0),
    Pitched("vibraphone", 11, 53, 89, hold_s=1.4),
    Pitched("marimba", 12, 45, 87, 7, hold_s=0.5),
    Pitched("drawbar_organ", 16, 36, 84, 8, hold_s=1.5, sustained=True),
    Pitched("rock_organ", 18, 36, 84, 8, hold_s=1.8, sustained=True),
    Pitched("nylon_guitar", 24, 40, 82, hold_s=1.3),
    Pitched("jazz_guitar", 26, 40, 82, hold_s=1.3),
    Pitched("clean_guitar", 27, 40, 82, hold_s=1.4, velocities=_TWO),
    Pitched("muted_guitar", 28, 40, 82, hold_s=0.4),
    Pitched("drive_guitar", 29, 40, 76, hold_s=1.4, sustained=True),
    Pitched("acoustic_bass", 32, 24, 54, 5, hold_s=1.4, velocities=_TWO),
    Pitched("fingered_bass", 33, 24, 54, 5, hold_s=1.5, velocities=_TWO),
    Pitched("picked_bass", 34, 24, 54, 5, hold_s=1.4),
    Pitched("thumb_bass", 36, 24, 54, 5, hold_s=1.3, velocities=_TWO),
    Pitched("pop_bass", 37, 24, 54, 5, hold_s=1.3, velocities=_TWO),
    Pitched("synth_bass", 38, 24, 54, 6, hold_s=1.2),
    Pitched("rubber_bass", 39, 24, 54, 6, hold_s=1.2),
    Pitched("violin", 40, 55, 91, hold_s=2.0, sustained=True),
    Pitched("cello", 42, 36, 72, hold_s=2.0, sustained=True),
    Pitched("pizzicato", 45, 43, 85, hold_s=0.5),
    Pitched("harp", 46, 40, 88, 8, hold_s=1.2),
    Pitched("string_section", 48, 36, 96, hold_s=2.2, sustained=True),
    Pitched("choir_aah", 52, 43, 85, hold_s=2.2, sustained=True),
    Pitched("voice_ooh", 53, 43, 85, 7, hold_s=1.8, sustained=True),
    Pitched("orchestra_hit", 55, 48, 78, hold_s=0.8),
    Pitched("trumpet", 56, 54, 84, hold_s=1.6, velocities=_TWO, sustained=True),
    Pitched("trombone", 57, 38, 68, hold_s=1.6, sustained=True),
    Pitched("muted_trumpet", 59, 54, 84, hold_s=1.4, sustained=True),
    Pitched("french_horn", 60, 40, 70, hold_s=1.6, sustained=True),
    Pitched("brass_section", 61, 42, 84, hold_s=1.6, velocities=_TWO, sustained=True),
    Pitched("alto_sax", 65, 49, 79, hold_s=1.6, sustained=True),
    Pitched("tenor_sax", 66, 42, 72, hold_s=1.6, sustained=True),
    Pitched("silver_flute", 73, 60, 90, hold_s=1.8, sustained=True),
    Pitched("kalimba", 108, 55, 91, 9, hold_s=0.8),
)
# Kits of the soundfont: 0 standard, 8 room, 16 power, 24 electronic, 25 TR-808, 32 jazz, 40 brush.
KITS = (
    Kit("real_kick", ((0, 36), (8, 36), (16, 36), (0, 35), (32, 36)),
        ("drum_bass_hard", "drum_heavy_kick", "drum_bass_soft", "bd_fat")),
    Kit("machine_kick", ((25, 36), (24, 36)),
        ("bd_808", "bd_haus", "bd_klub", "bd_tek", "bd_pure", "bd_sone", "bd_zum", "bd_ada",
         "bd_gas", "bd_zome", "bd_boom"), 0.9),
    Kit("real_snare", ((0, 38), (8, 38), (16, 38), (0, 40), (32, 38)),
        ("drum_snare_hard", "sn_dolf", "drum_snare_soft"), 0.6),
    Kit("machine_snare", ((25, 38), (24, 38), (24, 40), (25, 40)),
        ("sn_dub", "sn_zome", "elec_snare", "elec_hi_snare", "elec_lo_snare", "elec_mid_snare",
         "elec_filt_snare"), 0.6),
    Kit("hand_clap", ((0, 39), (25, 39), (24, 39)), (), 0.5),
    Kit("real_rim", ((0, 37), (8, 37), (25, 37)), ("elec_wood",), 0.3),
    Kit("real_hat", ((0, 42), (8, 42), (32, 42)), ("drum_cymbal_closed",), 0.35),
    Kit("machine_hat", ((25, 42), (24, 42)), ("elec_tick",), 0.3),
    Kit("pedal_hat", ((0, 44), (32, 44)), ("drum_cymbal_pedal",), 0.35),
    Kit("real_open", ((0, 46), (8, 46), (32, 46)), ("drum_cymbal_open",), 0.9),
    Kit("machine_open", ((25, 46), (24, 46)), (), 0.7),
    Kit("real_ride", ((0, 51), (0, 59), (32, 51)), ("drum_cymbal_soft",), 1.3),
    Kit("real_crash", ((0, 49), (0, 57), (8, 49)), ("drum_cymbal_hard", "drum_splash_hard"), 2.2),
    Kit("splash", ((0, 55),), ("drum_splash_soft",), 1.0),
    Kit("real_tom", tuple((0, k) for k in (41, 43, 45, 47, 48, 50)), (), 0.8,
        (40, 43, 46, 49, 52, 55)),
    Kit("machine_tom", tuple((25, k) for k in (41, 43, 45, 47, 48, 50)), (), 0.7,
        (40, 43, 46, 49, 52, 55)),
    Kit("brush_kick", ((40, 36), (32, 35)), ("drum_bass_soft",), 0.6),
    Kit("brush_snare", ((40, 38), (40, 40), (40, 39)), (), 0.6),
    Kit("real_conga", tuple((0, k) for k in (64, 63, 62)), (), 0.5, (57, 62, 65)),
    Kit("bongo", tuple((0, k) for k in (61, 60)), (), 0.4, (60, 66)),
    Kit("machine_conga", tuple((25, k) for k in (64, 63, 62)), (), 0.5, (57, 62, 67)),
    Kit("timbale", tuple((0, k) for k in (66, 65)), (), 0.6, (60, 65)),
    Kit("agogo", tuple((0, k) for k in (68, 67)), (), 0.5, (60, 66)),
    Kit("real_cowbell", ((0, 56), (25, 56)), ("drum_cowbell",), 0.5),
    Kit("real_tambourine", ((0, 54),), (), 0.4),
    Kit("real_shaker", ((0, 82), (0, 70), (0, 69), (25, 70)), (), 0.25),
    Kit("claves", ((0, 75), (25, 75)), ("elec_tick",), 0.25),
    Kit("finger_snap", (), ("perc_snap", "perc_snap2"), 0.4),
    Kit("triangle", ((0, 81),), ("elec_triangle",), 0.8),
    Kit("vinyl_scratch", ((0, 29), (0, 30)), ("vinyl_scratch",), 0.5),
    Kit("tabla", (), ("tabla_ghe1", "tabla_na", "tabla_tun1", "tabla_te1", "tabla_ke1",
                      "tabla_tas1", "tabla_re"), 0.5),
    Kit("boom", (), ("misc_cineboom", "bd_boom", "bass_drop_c"), 1.8),
)  # fmt: skip


def main() -> None:
    """Make the bank."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/"), help="where the packages stand")
    parser.add_argument("--out", type=Path, default=Path("kinetune/corpus/data/instruments.zip"))
    options = parser.parse_args()
    free = free_files(options.root / COPYRIGHT)
    bank = {
        recipe.name: (pitched_zones(options.root, recipe), recipe.sustained) for recipe in PITCHED
    }
    bank |= {kit.name: (kit_zones(options.root, kit, free), False) for kit in KITS}
    write_bank(options.out, bank)
    print(f"{options.out}: {len(bank)} instruments, {options.out.stat().st_size / 1e6:.2f} MB")


def free_files(copyright_file: Path) -> dict[str, str]:
    """Return author and address of every sample whose entry says CC0, by file name."""
    out = {}
    for entry in copyright_file.read_text(encoding="utf-8").split("\n\n"):
        terms = re.search(r"^License: (\S+)", entry, re.MULTILINE)
        author = re.search(r"^Copyright: \d* *(.*)", entry, re.MULTILINE)
        address = re.search(r"https?://\S+", entry)
        if terms and terms.group(1) == "CC0":
            for name in re.findall(r"etc/samples/(\w+)\.flac", entry):
                out[name] = " ".join(m.group(k) for m, k in ((author, 1), (address, 0)) if m)
    return out


def pitched_zones(root: Path, recipe: Pitched) -> list[Zone]:
    """Return every note of a pitched instrument."""
    notes = [
        (pitch, velocity)
        for velocity in recipe.velocities
        for pitch in range(recipe.low, recipe.high + 1, recipe.step)
    ]
    waves = play(root, notes, 0, recipe.program, recipe.hold_s)
    out = []
    for wave, (pitch, velocity) in zip(waves, notes, strict=True):
        wave = shaped(wave, recipe.hold_s + 0.02)
        tuned = pitch + cents_off(wave, pitch) / 100.0
        out.append(Zone(wave, round(tuned, 3), velocity / 127.0, 0, "FluidR3 GM"))
    return out


def kit_zones(root: Path, kit: Kit, free: dict[str, str]) -> list[Zone]:
    """Return every rendering of a drum; those that differ only in pitch are one variant."""
    out = []
    for count, (program, key) in enumerate(kit.keys):
        (wave,) = play(root, [(key, 115)], 9, program, kit.longest_s)
        variant = 0 if kit.pitches else count
        pitch = float(kit.pitches[count]) if kit.pitches else 60.0
        out.append(Zone(shaped(wave, kit.longest_s), pitch, 0.9, variant, "FluidR3 GM"))
    for count, name in enumerate(kit.files, start=len(out)):
        if name not in free:
            raise SystemExit(f"{name}.flac: its entry in the copyright file does not say CC0")
        wave, rate_hz = soundfile.read(root / ONE_SHOTS / f"{name}.flac", always_2d=True)
        mono = signal.resample_poly(wave.mean(axis=1), RATE_HZ, rate_hz)
        source = f"Sonic Pi {name}, {free[name]}, CC0"
        out.append(Zone(shaped(mono, kit.longest_s), 60.0, 0.9, count, source))
    return out


def play(
    root: Path, notes: list[tuple[int, int]], channel: int, program: int, hold_s: float
) -> list[Wave]:
    """Return the sound of single notes (pitch, velocity), each held for ``hold_s``."""
    each_s = hold_s + _PIECE_GAP_S
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "in.mid"), Path(folder, "out.wav")
        midi.write_bytes(midi_file(notes, channel, program, hold_s, each_s))
        subprocess.run(
            ["fluidsynth", "-ni", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE_HZ), "-O",
             "float", "-T", "wav", "-F", str(wav), str(root / SOUNDFONT), str(midi)],
            check=True, capture_output=True,
        )  # fmt: skip
        both, _ = soundfile.read(wav, always_2d=True)
    n = round(each_s * RATE_HZ)
    mono = np.pad(both.mean(axis=1), (0, n))
    return [mono[k * n : (k + 1) * n] for k in range(len(notes))]


def midi_file(
    notes: list[tuple[int, int]], channel: int, program: int, hold_s: float, each_s: float
) -> bytes:
    """Return a standard MIDI file of single notes; a tick is a millisecond."""
    events = bytearray([0, 0xC0 | channel, program])
    wait = 0
    for pitch, velocity in notes:
        events += _ticks(wait) + bytes([0x90 | channel, pitch, velocity])
        events += _ticks(round(1000 * hold_s)) + bytes([0x80 | channel, pitch, 0])
        wait = round(1000 * (each_s - hold_s))
    events += _ticks(wait) + b"\xff\x2f\x00"
    # 500 ticks a quarter at the default tempo of half a second a quarter.
    head = b"MThd" + (6).to_bytes(4, "big") + b"".join(k.to_bytes(2, "big") for k in (0, 1, 500))
    return head + b"MTrk" + len(events).to_bytes(4, "big") + bytes(events)


def _ticks(count: int) -> bytes:
    out = [count & 0x7F]
    while count := count >> 7:
        out.append(0x80 | count & 0x7F)
    return bytes(reversed(out))


def shaped(wave: Wave, longest_s: float) -> Wave:
    """Return the sound trimmed, without offset, brought to level, its end faded."""
    wave = signal.sosfilt(signal.butter(2, 20.0, "highpass", fs=RATE_HZ, output="sos"), wave)
    loud = np.flatnonzero(np.abs(wave) > _BEGINS * np.abs(wave).max())
    wave = wave[max(0, loud[0] - 16) :][: round(longest_s * RATE_HZ)]
    envelope = np.maximum.accumulate(np.abs(wave)[::-1])[::-1]
    wave = wave[: int(np.count_nonzero(envelope > _ENDS * np.abs(wave).max()))]
    fade = min(len(wave) // 4, round(0.02 * RATE_HZ))
    wave[len(wave) - fade :] *= np.linspace(1.0, 0.0, fade)
    block = round(0.05 * RATE_HZ)
    power = np.add.reduceat(wave**2, np.arange(0, len(wave), block)) / block
    gain = _LEVEL_RMS / np.sqrt(power.max())
    return wave * min(gain, _CEILING / np.abs(wave).max())


def cents_off(wave: Wave, pitch: int) -> int:
    """Return how far a recording lies above its nominal pitch: where its partials are strongest."""
    part = wave[round(0.08 * RATE_HZ) : round(1.2 * RATE_HZ)]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 18))
    cents = np.arange(-_MOST_CENTS, _MOST_CENTS + 1)
    hz = 440.0 * 2.0 ** ((pitch - 69 + cents / 100.0) / 12.0)
    bins = np.round(np.outer(hz, np.arange(1, 5)) * (1 << 18) / RATE_HZ).astype(int)
    return int(cents[np.argmax(spectrum[bins].sum(axis=1))])


def loop_of(wave: Wave) -> tuple[int, int]:
    """Return where a held note may go round: the two places whose surroundings are most alike."""
    window = round(0.08 * RATE_HZ)
    # The last part of a rendering is the release.
    end = round(len(wave) - 0.06 * RATE_HZ) - window
    tail = wave[end : end + window]
    first, last = round(0.35 * end), round(0.75 * end)
    region = wave[first : last + window]
    products = signal.correlate(region, tail, mode="valid")
    power = np.convolve(region**2, np.ones(window), mode="valid")
    likeness = products / np.sqrt(np.maximum(power, 1e-9) * np.sum(tail**2))
    return first + int(np.argmax(likeness)), end


def write_bank(path: Path, bank: dict[str, tuple[list[Zone], bool]]) -> None:
    """Write the zip: Ogg files of the zones end to end, and the index."""
    gap = np.zeros(round(_GAP_S * RATE_HZ))
    index: dict[str, object] = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, (zones, sustained) in bank.items():
            rows, at = [], 0
            for zone in zones:
                row = {
                    "pitch": zone.pitch, "force": round(zone.force, 3), "variant": zone.variant,
                    "start": at, "length": len(zone.wave), "source": zone.source,
                }  # fmt: skip
                if sustained:
                    row["loop"] = loop_of(zone.wave)
                rows.append(row)
                at += len(zone.wave) + len(gap)
            whole = np.concatenate([x for zone in zones for x in (zone.wave, gap)])
            _store(archive, f"{name}.ogg", _encoded(whole))
            index[name] = {"held": sustained, "zones": rows}
        text = json.dumps({"rate_hz": RATE_HZ, "instruments": index}, separators=(",", ":"))
        _store(archive, "index.json", text.encode())


def _store(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    kind = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
    archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, kind)


def _encoded(wave: Wave) -> bytes:
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", RATE_HZ, 1, format="OGG", subtype="VORBIS", compression_level=1.0 - QUALITY
    ) as file:
        # libsndfile's encoder needs its input in small pieces.
        for start in range(0, len(wave), RATE_HZ):
            file.write(wave[start : start + RATE_HZ])
    return buffer.getvalue()


if __name__ == "__main__":
    main()
