"""Time series as a picture (PNG), drawn with Pillow: two value axes, lines or areas on one another, marks, a legend.

Lines are drawn at twice the size and made smaller, which smooths them; texts at their own size, which keeps them sharp. Where
data are missing there is no line.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from PIL import Image, ImageDraw, ImageFont

from .values import TimeSeries
from .widget import COLOURS, Axis, Widget

_TIME_STEPS = (10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000)
_LIGHT = {"back": "#ffffff", "text": "#333333", "grid": "#e4e4e4", "axis": "#888888"}
_DARK = {"back": "#1e2429", "text": "#d5dbdb", "grid": "#3a434b", "axis": "#8a949e"}
_SMOOTH = 2
_ROW, _GAP = 17, 8
_LEGEND_WIDTH = 170
Point = tuple[float, float]


@dataclass(frozen=True)
class Drawn:
    """A series as it is drawn."""

    series: TimeSeries
    colour: str = ""
    right: bool = False


@dataclass(frozen=True)
class _Stack:
    """A series with the heights that it is drawn at, and what it stands on; nothing where it does not stand on anything."""

    drawn: Drawn
    heights: dict[int, float]
    floors: dict[int, float]


@dataclass(frozen=True)
class _Scale:
    """Values between `low` and `high` over pixels from `bottom` up to `top`."""

    low: float
    high: float
    bottom: float
    top: float
    step: float

    def at(self, value: float) -> float:
        return self.bottom + (value - self.low) / (self.high - self.low) * (self.top - self.bottom)

    @property
    def ticks(self) -> list[float]:
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        return [number * self.step for number in range(first, min(last, first + 50) + 1)]


def draw(widget: Widget, given: Sequence[Drawn]) -> bytes:
    """The picture."""
    coloured = [Drawn(one.series, one.colour or COLOURS[number % len(COLOURS)], one.right) for number, one in enumerate(given)]
    return _Chart(widget, coloured).png()


class _Chart:
    def __init__(self, widget: Widget, drawn: list[Drawn]) -> None:
        self.widget, self.drawn = widget, drawn
        self.colours = _DARK if widget.dark else _LIGHT
        self.font, self.bold = ImageFont.load_default(11), ImageFont.load_default(14)
        both = any(one.right for one in drawn) or any(mark.right for mark in widget.horizontal)
        rows = self._legend_rows() if widget.legend == "bottom" else []
        self.legend = rows
        self.left = 58 + (14 if widget.left.label else 0)
        self.right = widget.width - (58 if both else 16) - (_LEGEND_WIDTH if widget.legend == "right" else 0)
        self.top = 34 if widget.title else 16
        self.bottom = max(self.top + 40, widget.height - 30 - _ROW * len(rows))
        self.scales = {False: self._scale(widget.left, right=False), True: self._scale(widget.right, right=True)}
        self.both = both

    def png(self) -> bytes:
        size = (self.widget.width, self.widget.height)
        smooth = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), self.colours["back"])
        self._grid(ImageDraw.Draw(smooth))
        self._lines(smooth)
        image = smooth.resize(size, Image.Resampling.LANCZOS)
        self._texts(ImageDraw.Draw(image))
        out = io.BytesIO()
        image.save(out, "PNG", optimize=True)
        return out.getvalue()

    def _stacks(self, *, right: bool) -> list[_Stack]:
        """The heights that are drawn: the values, or with `stacked` what they come to on those before."""
        below: dict[int, float] = {}
        found = []
        for one in self.drawn:
            if one.right != right:
                continue
            heights = dict(one.series.points)
            floors = {time: below.get(time, 0.0) for time in heights} if self.widget.stacked else {}
            heights = {time: value + floors.get(time, 0.0) for time, value in heights.items()}
            below |= heights
            found.append(_Stack(one, heights, floors))
        return found

    def _scale(self, axis: Axis, *, right: bool) -> _Scale:
        values = [value for stack in self._stacks(right=right) for value in stack.heights.values()]
        values += [mark.value for mark in self.widget.horizontal if mark.right == right]
        low = axis.low if axis.low is not None else min([0.0, *values])
        high = axis.high if axis.high is not None else max([low, *values])
        if high <= low:
            high = low + (abs(low) or 1.0)
        step = _nice((high - low) / max(2, (self.bottom - self.top) // 45))
        if axis.high is None:
            high = math.ceil(high / step - 1e-9) * step
        if axis.low is None:
            low = math.floor(low / step + 1e-9) * step
        return _Scale(low, high, float(self.bottom), float(self.top), step)

    def _x(self, time: float) -> float:
        span = self.widget.end - self.widget.start
        return self.left + (time - self.widget.start) / span * (self.right - self.left)

    def _time_ticks(self) -> tuple[int, list[int]]:
        room = max(2, (self.right - self.left) // 80)
        span = self.widget.end - self.widget.start
        step = next((each for each in _TIME_STEPS if span / each <= room), max(_TIME_STEPS[-1], int(span / room)))
        first = math.ceil((self.widget.start + self.widget.zone) / step) * step - self.widget.zone
        return step, [time for time in range(first, int(self.widget.end) + 1, step)][:100]  # noqa: C416

    def _grid(self, draw: ImageDraw.ImageDraw) -> None:
        grid, axis, width = self.colours["grid"], self.colours["axis"], _SMOOTH
        scale = self.scales[False]
        for tick in scale.ticks:
            draw.line(_big([(self.left, scale.at(tick)), (self.right, scale.at(tick))]), grid, width)
        for time in self._time_ticks()[1]:
            draw.line(_big([(self._x(time), self.bottom), (self._x(time), self.bottom + 4)]), axis, width)
        draw.line(_big([(self.left, self.bottom), (self.right, self.bottom)]), axis, width)

    def _lines(self, image: Image.Image) -> None:
        draw = ImageDraw.Draw(image, "RGBA")
        for right in (False, True):
            for stack in self._stacks(right=right):
                for run in self._runs(stack):
                    self._line(draw, stack, run)
        self._marks(draw)

    def _line(self, draw: ImageDraw.ImageDraw, stack: _Stack, run: list[int]) -> None:
        scale, colour = self.scales[stack.drawn.right], stack.drawn.colour
        points = [self._point(scale, time, stack.heights[time]) for time in run]
        if len(points) == 1:
            (x, y), size = points[0], 2.5
            draw.ellipse(_big([(x - size, y - size), (x + size, y + size)]), colour)
            return
        if stack.floors:
            floor = [self._point(scale, time, stack.floors[time]) for time in run]
            draw.polygon(_big([*points, *reversed(floor)]), (*_rgb(colour), 150))
        draw.line(_big(points), colour, 2 * _SMOOTH, joint="curve")

    def _point(self, scale: _Scale, time: int, value: float) -> Point:
        return self._x(time), min(max(scale.at(value), self.top - 1.0), self.bottom + 1.0)

    def _runs(self, stack: _Stack) -> list[list[int]]:
        """The times of the points, apart where there is a gap."""
        runs: list[list[int]] = []
        for time in sorted(stack.heights):
            if self.widget.start <= time <= self.widget.end:
                if not runs or time - runs[-1][-1] > 1.5 * stack.drawn.series.period:
                    runs.append([])
                runs[-1].append(time)
        return runs

    def _marks(self, draw: ImageDraw.ImageDraw) -> None:
        for mark in self.widget.horizontal:
            y = self.scales[mark.right].at(mark.value)
            if self.top <= y <= self.bottom:
                draw.line(_big([(self.left, y), (self.right, y)]), mark.colour, _SMOOTH)
        for mark in self.widget.vertical:
            if self.widget.start <= mark.value <= self.widget.end:
                x = self._x(mark.value)
                draw.line(_big([(x, self.top), (x, self.bottom)]), mark.colour, _SMOOTH)

    def _texts(self, draw: ImageDraw.ImageDraw) -> None:
        ink, widget = self.colours["text"], self.widget
        if widget.title:
            draw.text((widget.width / 2, 17), self._fit(widget.title, widget.width - 20), ink, self.bold, "mm")
        for right, x, anchor in ((False, self.left - 6, "rm"), (True, self.right + 6, "lm")):
            scale = self.scales[right]
            if right and not self.both:
                continue
            for tick in scale.ticks:
                draw.text((x, scale.at(tick)), _written(tick, scale.step), ink, self.font, anchor)
        step, ticks = self._time_ticks()
        for time in ticks:
            draw.text((self._x(time), self.bottom + 7), _clock(time + widget.zone, step), ink, self.font, "ma")
        for text, x, anchor in ((widget.left.label, 6, "la"), (widget.right.label, self.right, "ra")):
            if text:
                draw.text((x, self.top - 14), self._fit(text, 160), ink, self.font, anchor)
        self._mark_labels(draw)
        if not any(one.series.points for one in self.drawn):
            middle = ((self.left + self.right) / 2, (self.top + self.bottom) / 2)
            draw.text(middle, "No data available", self.colours["axis"], self.bold, "mm")
        self._legend(draw)

    def _mark_labels(self, draw: ImageDraw.ImageDraw) -> None:
        widget = self.widget
        for mark in widget.horizontal:
            y = self.scales[mark.right].at(mark.value)
            if mark.label and self.top <= y <= self.bottom:
                above = y - self.top > _ROW
                place = (self.right - 4, y - 2 if above else y + 2)
                draw.text(place, self._fit(mark.label, 200), mark.colour, self.font, "rs" if above else "rt")
        for mark in widget.vertical:
            if mark.label and widget.start <= mark.value <= widget.end:
                draw.text((self._x(mark.value) + 3, self.top + 2), self._fit(mark.label, 120), mark.colour, self.font)

    def _legend_rows(self) -> list[list[tuple[str, str]]]:
        """Labels with their colours, in the rows that they fit into."""
        rows: list[list[tuple[str, str]]] = []
        used = 0.0
        for one in self.drawn[:40]:
            label = self._fit(one.series.label, self.widget.width - 60)
            wide = self.font.getlength(label) + 26
            if not rows or used + wide > self.widget.width - 20:
                rows, used = [*rows, []], 0.0
            rows[-1].append((label, one.colour))
            used += wide
        return rows[: max(1, self.widget.height // 4 // _ROW)]

    def _legend(self, draw: ImageDraw.ImageDraw) -> None:
        y = self.widget.height - _ROW * len(self.legend) + 2.0
        for row in self.legend:
            x = 10.0
            for label, colour in row:
                self._entry(draw, (x, y), label, colour)
                x += self.font.getlength(label) + 26
            y += _ROW
        if self.widget.legend == "right":
            x, y = self.widget.width - _LEGEND_WIDTH + 4.0, float(self.top)
            for one in self.drawn[: (self.bottom - self.top) // _ROW]:
                self._entry(draw, (x, y), self._fit(one.series.label, _LEGEND_WIDTH - 26), one.colour)
                y += _ROW

    def _entry(self, draw: ImageDraw.ImageDraw, at: Point, label: str, colour: str) -> None:
        x, y = at
        draw.rectangle((x, y + 2, x + 9, y + 11), colour)
        draw.text((x + 14, y), label, self.colours["text"], self.font)

    def _fit(self, text: str, room: float) -> str:
        """A text without what cannot be drawn, cut to the pixels that there are."""
        clean = "".join(letter if letter.isprintable() else " " for letter in text)
        if self.font.getlength(clean) <= room:
            return clean
        while clean and self.font.getlength(clean + "...") > room:
            clean = clean[:-1]
        return clean + "..."


def _big(points: Sequence[Point]) -> list[Point]:
    return [(x * _SMOOTH, y * _SMOOTH) for x, y in points]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _nice(rough: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... that is not smaller."""
    size = 10.0 ** math.floor(math.log10(rough))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= rough * 0.999)


def _written(value: float, step: float) -> str:
    """A value with as many digits as its axis needs, in thousands, millions, ... where it is large."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if step >= size / 10 and abs(value) >= size:
            return f"{value / size:g}{letter}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{digits}f}" if digits < 6 else f"{value:.3g}"


def _clock(time: float, step: int) -> str:
    moment = datetime.fromtimestamp(time, UTC)
    if step < 60:
        return f"{moment:%H:%M:%S}"
    if step < 86400 and (moment.hour or moment.minute):
        return f"{moment:%H:%M}"
    return f"{moment:%d %b}"
