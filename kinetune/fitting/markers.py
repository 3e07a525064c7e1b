"""Warp markers of a fit as files for a DAW.

Seconds. ``csv``: one marker a line. ``reaper``: a ReaScript (Lua) that puts the song on a new track
with a stretch marker a beat (REAPER's API: InsertMedia, SetMediaItemInfo_Value,
SetTakeStretchMarker). ``ableton``: the ``WarpMarkers`` element of an Ableton Live set, with the
tempo that its beats count.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kinetune import timebase
from kinetune.errors import ConfigError
from kinetune.files import write_text
from kinetune.fitting.time_map import TimeMap

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WarpMarkers:
    """Markers of a song within a dance.

    Attributes:
        song: The song's file.
        song_s: Times in the song, seconds, ascending, (K,), two or more.
        dance_s: The same moments in the dance, (K,).
        bpm: Tempo of the dance.
        duration_s: Length of the dance.
    """

    song: Path
    song_s: Array
    dance_s: Array
    bpm: float
    duration_s: float


def warp_markers(
    song: Path, beats_s: Array, time_map: TimeMap, *, bpm: float, duration_s: float
) -> WarpMarkers:
    """Return a marker for each beat of the song that plays within the dance.

    The first is where the song or the dance begins, the last where one of them ends.

    Args:
        song: The song's file.
        beats_s: Its beats, seconds, (K,).
        time_map: Song time to dance time.
        bpm: Tempo of the dance.
        duration_s: Length of the dance.
    """
    start_s = max(0.0, float(time_map.in_song(np.zeros(1))[0]))
    end_s = float(time_map.in_song(np.array([duration_s]))[0])
    inside = beats_s[(beats_s > start_s + 0.02) & (beats_s < end_s - 0.02)]
    song_s = np.concatenate([[start_s], inside, [end_s]])
    return WarpMarkers(song, song_s, time_map.in_dance(song_s), bpm, duration_s)


def write_warp_markers(path: Path, markers: WarpMarkers, kind: str) -> None:
    """Write markers as ``csv``, ``reaper`` or ``ableton``.

    Raises:
        ConfigError: There is no such kind.
        OutputError: The file can't be written.
    """
    write_text(path, _writer(kind)[1](markers))


def warp_suffix(kind: str) -> str:
    """Return the end of the name of a file of markers.

    Raises:
        ConfigError: There is no such kind.
    """
    return _writer(kind)[0]


def _writer(kind: str) -> "tuple[str, Callable[[WarpMarkers], str]]":
    if kind not in _WRITERS:
        raise ConfigError(f"--warp must be {', '.join(_WRITERS)}; found {kind!r}")
    return _WRITERS[kind]


def _csv(markers: WarpMarkers) -> str:
    ratios = np.diff(markers.dance_s) / np.diff(markers.song_s)
    rows = zip(markers.song_s, markers.dance_s, [*ratios, ratios[-1]], strict=True)
    lines = [f"{song:.6f},{dance:.6f},{ratio:.6f}" for song, dance, ratio in rows]
    return "\n".join(["song_s,dance_s,ratio", *lines]) + "\n"


def _reaper(markers: WarpMarkers) -> str:
    """Item positions begin at the item; source positions at the song's start."""
    position_s = max(0.0, float(markers.dance_s[0]))
    lines = [
        f"  {{{dance - position_s:.6f}, {song:.6f}}},"
        for song, dance in zip(markers.song_s, markers.dance_s, strict=True)
    ]
    length_s = float(markers.dance_s[-1] - markers.dance_s[0])
    path = json.dumps(str(markers.song.resolve()), ensure_ascii=False)
    return _REAPER.format(
        song=path, position=position_s, length=length_s, markers="\n".join(lines),
        bpm=markers.bpm,
    )  # fmt: skip


_REAPER = """\
-- REAPER: Actions > Show action list > New action > Load ReaScript, then run it.
-- Puts the song on a new track; the dance begins at 0 of the project, {bpm:.4f} bpm.
local song = {song}
local markers = {{  -- seconds in the item, seconds in the song
{markers}
}}
reaper.Undo_BeginBlock()
reaper.SetEditCurPos({position:.6f}, false, false)
reaper.InsertMedia(song, 1)
local item = reaper.GetSelectedMediaItem(0, 0)
if not item then
  reaper.MB("The song can't be opened: " .. song, "kinetune", 0)
  return
end
local take = reaper.GetActiveTake(item)
reaper.SetMediaItemInfo_Value(item, "D_POSITION", {position:.6f})
reaper.SetMediaItemInfo_Value(item, "D_LENGTH", {length:.6f})
reaper.SetMediaItemTakeInfo_Value(take, "B_PPITCH", 1)
for _, marker in ipairs(markers) do
  reaper.SetTakeStretchMarker(take, -1, marker[1], marker[2])
end
reaper.UpdateArrange()
reaper.Undo_EndBlock("kinetune fit", -1)
"""


def _ableton(markers: WarpMarkers) -> str:
    beats = markers.dance_s / timebase.beat_period_s(markers.bpm)
    rows = [
        f'  <WarpMarker Id="{number}" SecTime="{song:.9f}" BeatTime="{beat:.9f}" />'
        for number, (song, beat) in enumerate(zip(markers.song_s, beats, strict=True))
    ]
    head = (
        f"<!-- Tempo of the set: {markers.bpm:.4f} bpm. Beat 0 of the clip is where the dance "
        "begins. -->"
    )
    return "\n".join([head, "<WarpMarkers>", *rows, "</WarpMarkers>"]) + "\n"


_WRITERS: dict[str, tuple[str, Callable[[WarpMarkers], str]]] = {
    "csv": (".warp.csv", _csv),
    "reaper": (".reaper.lua", _reaper),
    "ableton": (".ableton.xml", _ableton),
}
WARP_KINDS = tuple(_WRITERS)
