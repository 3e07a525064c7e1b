"""Video overlay: title, bar.beat counter, and waveform with marks.

Conventions: seconds; pixels from the upper left corner. The waveform shows the whole piece, or the
page of half a minute in which the film is; its drawing is kept until the page turns.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kinetune.audio.sound import Sound
from kinetune.errors import printable
from kinetune.render.camera import HEIGHT, WIDTH
from kinetune.render.marks import Marks
from kinetune.timebase import BEATS_IN_BAR

Array = NDArray[np.float64]
Colour = tuple[int, int, int]

_LEFT_PX, _WIDTH_PX = 32, WIDTH - 64
_STRIP_PX, _BOTTOM_PX = 74, 12
# Rows of the strip: the sections' band, the waveform, the beats.
_BAND_PX, _TICKS_PX = 17, 7
_PAGE_S = 30.0
_LONGEST_TITLE = 90
_TEXT, _GREY = (226, 231, 240), (142, 152, 176)
_PLAYED, _AHEAD, _HEAD_LINE = (112, 202, 174), (78, 88, 116), (250, 250, 252)
_SECTIONS: tuple[Colour, ...] = ((94, 122, 190), (160, 104, 170), (88, 146, 130), (184, 138, 82))
_ACCENT, _SILENCE = (240, 112, 96), (20, 22, 32)
_FINE = 2


@dataclass(frozen=True, eq=False)
class Timeline:
    """What the overlay shows.

    Attributes:
        title: A line in the upper left corner.
        duration_s: Length of the film.
        beats_s: All beats, ascending.
        downbeats_s: Those that open a bar.
        marks: Sections, silences, accents and the loop's wrap.
        sound: The music whose waveform is shown; None leaves the waveform out.
        metre: Beats to the bar.
    """

    title: str
    duration_s: float
    beats_s: Array
    downbeats_s: Array
    marks: Marks
    sound: Sound | None = None
    metre: int = BEATS_IN_BAR


def bar_and_beat(timeline: Timeline, now_s: float) -> tuple[int, int] | None:
    """Return the bar and the beat in it, both from 1; bar 0 before the first; None before beats."""
    past = int(np.searchsorted(timeline.beats_s, now_s + 1e-6, side="right"))
    if past == 0:
        return None
    first_of_bar = np.searchsorted(timeline.beats_s, timeline.downbeats_s - 1e-3)
    opened = first_of_bar[first_of_bar < past]
    if not len(opened):
        # The pick-up: counted so that the first bar follows its last beat.
        pickup = int(first_of_bar[0]) if len(first_of_bar) else past
        return 0, max(1, timeline.metre - pickup + past)
    return len(opened), past - int(opened[-1])


class Overlay:
    """Draws the overlay of one film."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.pages = max(1, int(np.ceil(timeline.duration_s / _PAGE_S - 0.1)))
        self.page_s = timeline.duration_s / self.pages
        self.title = _text(printable(timeline.title, _LONGEST_TITLE), 21, _TEXT)
        self.strip = lru_cache(maxsize=2)(self._strip)

    def draw(self, picture: NDArray[np.uint8], now_s: float) -> None:
        """Draw into a picture (H, W, 3) at a time of the film."""
        _blend(picture, self.title, (_LEFT_PX, 22))
        count = bar_and_beat(self.timeline, now_s)
        if count is not None:
            number = _text(f"{count[0]}.{count[1]}", 34, _TEXT)
            _blend(picture, number, (WIDTH - _LEFT_PX - number.shape[1], 14))
            dots = _dots(count[1], self.timeline.metre)
            _blend(picture, dots, (WIDTH - _LEFT_PX - dots.shape[1], 58))
        page = min(int(now_s / self.page_s), self.pages - 1)
        ahead, played = self.strip(page)
        reached = round((now_s / self.page_s - page) * _WIDTH_PX)
        top = HEIGHT - _BOTTOM_PX - _STRIP_PX
        target = picture[top : top + _STRIP_PX, _LEFT_PX : _LEFT_PX + _WIDTH_PX]
        target[:, :reached] = played[:, :reached]
        target[:, reached:] = ahead[:, reached:]
        line = slice(max(0, reached - 1), max(0, reached - 1) + 2)
        target[_BAND_PX:, line] = _HEAD_LINE

    def _strip(self, page: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The waveform of a page as it is ahead of the playhead, and as it is when played."""
        start_s = page * self.page_s
        return (
            self._drawn(start_s, _AHEAD, _GREY),
            self._drawn(start_s, _PLAYED, _TEXT),
        )

    def _drawn(self, start_s: float, wave: Colour, text: Colour) -> NDArray[np.uint8]:
        scale = _WIDTH_PX * _FINE / self.page_s
        size = (_WIDTH_PX * _FINE, _STRIP_PX * _FINE)
        image = Image.new("RGB", size, (18, 21, 31))
        draw = ImageDraw.Draw(image)

        def x(time_s: float) -> float:
            return (time_s - start_s) * scale

        top, bottom = _BAND_PX * _FINE, (_STRIP_PX - _TICKS_PX) * _FINE
        self._draw_wave(draw, start_s, wave, top, bottom)
        marks = self.timeline.marks
        for number, section in enumerate(marks.sections):
            colour = _SECTIONS[number % len(_SECTIONS)]
            draw.rectangle((x(section.start_s), 0, x(section.end_s) - 1, top - 3), fill=colour)
            draw.text(
                (max(x(section.start_s), 0) + 10, -1), section.label, fill=_TEXT, font=_font(26)
            )
        for silence in marks.silences:
            box = (x(silence.start_s), top, x(silence.end_s), bottom)
            draw.rectangle(box, fill=_SILENCE, outline=text)
        for beat_s in self.timeline.beats_s:
            draw.line([(x(beat_s), bottom + 4), (x(beat_s), size[1])], fill=_GREY, width=_FINE)
        for beat_s in self.timeline.downbeats_s:
            draw.line([(x(beat_s), top), (x(beat_s), size[1])], fill=text, width=_FINE)
        for accent_s in marks.accents_s:
            middle, high = x(accent_s), top + 10
            draw.polygon(
                [(middle - 9, high - 9), (middle + 9, high - 9), (middle, high + 7)], fill=_ACCENT
            )
        if marks.loop_s:
            draw.line(
                [(x(marks.loop_s) - 3, 0), (x(marks.loop_s) - 3, size[1])], fill=_ACCENT, width=5
            )
            draw.text((x(marks.loop_s) - 66, top + 2), "loop", fill=_ACCENT, font=_font(26))
        return np.asarray(image.reduce(_FINE))

    def _draw_wave(
        self, draw: ImageDraw.ImageDraw, start_s: float, colour: Colour, top: int, bottom: int
    ) -> None:
        sound = self.timeline.sound
        middle = 0.5 * (top + bottom)
        if sound is None:
            draw.line([(0, middle), (_WIDTH_PX * _FINE, middle)], fill=colour, width=_FINE)
            return
        edges = (start_s + np.arange(_WIDTH_PX + 1) * self.page_s / _WIDTH_PX) * sound.rate_hz
        peaks = _peaks(sound, edges.astype(np.int64))
        loudest = max(1e-3, float(np.abs(sound.samples[:: max(1, sound.rate_hz // 2000)]).max()))
        half = 0.5 * (bottom - top - 4)
        for column, peak in enumerate(peaks):
            height = max(1.0, half * min(1.0, peak / loudest))
            left = column * _FINE
            draw.rectangle((left, middle - height, left + _FINE - 1, middle + height), fill=colour)


def _peaks(sound: Sound, edges: NDArray[np.int64]) -> Array:
    """The largest magnitude between neighbouring edges in samples, (n + 1,) -> (n,)."""
    first, last = int(edges[0]), int(min(edges[-1], len(sound.samples)))
    samples = np.abs(sound.samples[first:last])
    if samples.ndim == 2:
        samples = samples.max(axis=1)
    peaks = np.zeros(len(edges) - 1)
    starts = edges[:-1] - first
    inside = starts < len(samples)
    if inside.any():
        peaks[inside] = np.maximum.reduceat(samples, starts[inside])
    return peaks


@lru_cache(maxsize=256)
def _text(text: str, size: int, colour: Colour) -> NDArray[np.uint8]:
    """A line of text as a picture with transparency, (h, w, 4)."""
    font = _font(size)
    left, _, right, bottom = font.getbbox(text or " ")
    image = Image.new("RGBA", (int(right - left) + 2, int(bottom) + 2), (*colour, 0))
    ImageDraw.Draw(image).text((-left, 0), text, fill=(*colour, 255), font=font)
    return np.asarray(image)


@lru_cache(maxsize=8)
def _dots(beat: int, metre: int) -> NDArray[np.uint8]:
    """A dot a beat of the bar, the beat's lit, as a picture with transparency."""
    image = Image.new("RGBA", (metre * 18 * 4, 14 * 4), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for number in range(metre):
        lit = number == (beat - 1) % metre
        colour = ((235, 203, 139) if number == 0 else _PLAYED) if lit else (90, 98, 122)
        left = (number * 18 + 6) * 4
        draw.ellipse((left, 2 * 4, left + 40, 12 * 4), fill=(*colour, 255))
    return np.asarray(image.reduce(4))


def _blend(picture: NDArray[np.uint8], image: NDArray[np.uint8], corner: tuple[int, int]) -> None:
    """Lay a picture with transparency over another at a corner (x, y)."""
    x, y = corner
    target = picture[y : y + image.shape[0], x : x + image.shape[1]]
    image = image[: target.shape[0], : target.shape[1]]
    cover = image[..., 3:].astype(np.float32) / 255.0
    target[:] = target + cover * (image[..., :3] - target.astype(np.float32))


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
