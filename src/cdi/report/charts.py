"""The charts of the pages: Vega-Lite by Altair, rendered to SVG that stands in the page itself.

One look for all: narrow, so that text is legible on a telephone; colours that colour-blind readers
tell apart, and shapes besides; SIMULATED across each chart of invented data. Every chart has a
title, a sentence for who cannot see it, and its figures as a table.
"""

import io
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
from markupsafe import Markup, escape

from cdi.render import NOTHING

WIDTH = 380
# Okabe and Ito's colours that stand out on white
BLUE, VERMILION, GREEN, GREY, PALE = "#0072b2", "#c44e00", "#007a5a", "#4d5866", "#d5dbe3"
FONT = "system-ui, Liberation Sans, sans-serif"

Rows = Sequence[Mapping[str, Any]]


class Figure(NamedTuple):
    """A chart with what stands around it.

    Attributes:
        title: What is shown.
        caption: What to see in it.
        svg: The chart.
        columns: Headings of its table.
        rows: Cells of its table, as text.
    """

    title: str
    caption: str
    svg: Markup
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Drawing:
    """Draws the charts of one page."""

    def __init__(self, *, is_simulated: bool) -> None:
        """Start a page; `is_simulated` puts SIMULATED across each chart."""
        self.is_simulated = is_simulated
        self._numbers = itertools.count(1)

    def figure(
        self,
        chart: alt.TopLevelMixin,
        title: str,
        caption: str,
        columns: Mapping[str, Callable[[Mapping[str, Any]], Any]],
        rows: Rows,
    ) -> Figure:
        """Render a chart.

        Args:
            chart: The chart.
            title: What is shown.
            caption: What to see in it.
            columns: Heading of each column of its table, and what stands in it.
            rows: What is shown.
        """
        table = [tuple(_cell(of(row)) for of in columns.values()) for row in rows]
        svg = self._svg(chart, title, caption)
        return Figure(title, caption, svg, tuple(columns), table)

    def _svg(self, chart: alt.TopLevelMixin, title: str, caption: str) -> Markup:
        drawn = io.StringIO()
        chart.configure(**LOOK).save(drawn, format="svg")
        head, _, body = drawn.getvalue().partition(">")
        width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)[0]
        middle = f"{float(width) / 2:.0f} {float(height) / 2:.0f}"
        # several charts in one page: each has its own names
        name = f"c{next(self._numbers)}-"
        body = re.sub(r'\b(id="|url\(#|href="#)', rf"\1{name}", body)
        # the SVG itself says what it shows
        body = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", body).strip().removesuffix("</svg>")
        told = f"SIMULATED. {title}" if self.is_simulated else title
        mark = (
            f'<text transform="translate({middle}) rotate(-20)" text-anchor="middle" '
            f'font-family="{FONT}" font-size="44" font-weight="700" fill="#8a5200" '
            'fill-opacity="0.13">SIMULATED</text>'
            if self.is_simulated
            else ""
        )
        return Markup(  # noqa: S704  Vega escapes the text that it draws
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'role="img" viewBox="0 0 {width} {height}" '
            f'aria-label="{escape(f"{told}. {caption}")}"><title>{escape(told)}</title>'
            f"<desc>{escape(caption)}</desc>{body}{mark}</svg>"
        )

    # ------------------------------------------------------------------ the charts

    def trend(self, rows: Rows, caption: str) -> Figure:
        """The rate by week, with the control limits of the mature weeks.

        Args:
            rows: Of `weekly_rates`, one a week.
            caption: What to see in it.
        """
        data = [
            {
                "week": row["reported_week_on"].isoformat(),
                "rate": row["nowcast_rate"] or row["rate_so_far"],
                "low": row["nowcast_low"],
                "high": row["nowcast_high"],
                "centre": row["chart_centre"],
                "chart_low": row["chart_low"],
                "chart_high": row["chart_high"],
                "kind": "outside the limits" if row["is_signal"]
                else "mature" if row["is_mature"] else "not yet mature",
            }
            for row in rows
        ]  # fmt: skip
        base = alt.Chart(alt.Data(values=data)).encode(
            x=alt.X("week:T", title=None, axis=alt.Axis(format="%b %y", tickCount=5, grid=False))
        )
        rate = alt.Y("rate:Q", title=None, axis=PERCENT, scale=alt.Scale(zero=False, nice=True))
        layers = [
            base.mark_area(color=PALE, opacity=0.6).encode(y="chart_low:Q", y2="chart_high:Q"),
            base.mark_line(color=GREY, strokeDash=[4, 3]).encode(y="centre:Q"),
            base.mark_rule(color=VERMILION).encode(y="low:Q", y2="high:Q"),
            base.mark_line(color=BLUE, strokeWidth=1.5).encode(y=rate),
            base.mark_point(filled=True, size=45, opacity=1).encode(
                y=rate,
                color=_colours("kind", {"mature": BLUE, "not yet mature": VERMILION,
                                        "outside the limits": "#000000"}),
                shape=_shapes("kind", {"mature": "circle", "not yet mature": "square",
                                       "outside the limits": "triangle-down"}),
            ),
        ]  # fmt: skip
        chart = alt.layer(*layers).properties(width=WIDTH, height=220, autosize=FIT)
        columns = {
            "Week from": lambda r: r["reported_week_on"],
            "Due": lambda r: r["due_count"],
            "Recorded so far": lambda r: r["recorded_count"],
            "Rate so far": lambda r: _share(r["rate_so_far"]),
            "To be expected": lambda r: _share(r["nowcast_rate"]),
            "90% limits": lambda r: _range(r["nowcast_low"], r["nowcast_high"]),
            "Chance alone": lambda r: _range(r["chart_low"], r["chart_high"]),
            "Note": lambda r: "not yet mature" if not r["is_mature"]
            else "outside the limits" if r["is_signal"] else "",
        }  # fmt: skip
        return self.figure(chart, "Recording rate by week", caption, columns, rows)

    def intervals(
        self,
        rows: Rows,
        title: str,
        caption: str,
        columns: Mapping[str, Callable[[Mapping[str, Any]], Any]],
        line: tuple[str, float] | None = None,
    ) -> Figure:
        """Rates under one another, each with its interval where it has one.

        Args:
            rows: label, rate, and where known low and high; kind tells series apart.
            title: What is shown.
            caption: What to see in it.
            columns: Of its table.
            line: A rate to compare with, and its name.
        """
        names = ("label", "rate", "low", "high", "kind")
        data = [
            {n: row.get(n) for n in names} | {"label": wrap_label(row["label"])} for row in rows
        ]
        order = list(dict.fromkeys(str(row["label"]) for row in data))
        kinds = list(dict.fromkeys(str(row["kind"]) for row in data))
        base = alt.Chart(alt.Data(values=data)).encode(
            y=alt.Y("label:N", sort=order, title=None, axis=_labels(order))
        )
        rate = alt.X("rate:Q", title=None, axis=PERCENT, scale=alt.Scale(zero=False, nice=True))
        colour = _colours("kind", dict(zip(kinds, SERIES, strict=False)))
        layers: list[Any] = [
            base.mark_rule(strokeWidth=3, opacity=0.55).encode(
                x="low:Q", x2="high:Q", color=colour
            ),
            base.mark_point(filled=True, size=75, opacity=1).encode(
                x=rate, color=colour, shape=_shapes("kind", dict(zip(kinds, MARKS, strict=False)))
            ),
        ]
        if line:
            at = alt.Chart(alt.Data(values=[{"at": line[1]}]))
            layers.insert(0, at.mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="at:Q"))
        chart = alt.layer(*layers).properties(
            width=WIDTH, height=alt.Step(28), autosize=FIT_X
        )  # fmt: skip
        return self.figure(chart, title, caption, columns, rows)

    def waterfall(self, rows: Rows, title: str, caption: str) -> Figure:
        """Stages of a flow: what is left at each, and what was lost on the way.

        Args:
            rows: label and count; is_loss where the count leaves the flow there.
            title: What is shown.
            caption: What to see in it.
        """
        data, left = [], 0
        for row in rows:
            if row["is_loss"]:
                start, left = left - row["count"], left - row["count"]
                end = start + row["count"]
            else:
                start, end, left = 0, row["count"], row["count"]
            data.append({"label": wrap_label(row["label"]), "start": start, "end": end,
                         "kind": row["kind"], "told": f"{row['count']:,}"})  # fmt: skip
        order = [str(d["label"]) for d in data]
        base = alt.Chart(alt.Data(values=data)).encode(
            y=alt.Y("label:N", sort=order, title=None, axis=_labels(order))
        )
        top = max(d["end"] for d in data) * 1.35
        bars = base.mark_bar(height=16).encode(
            x=alt.X("start:Q", title=None, scale=alt.Scale(domain=[0, top]), axis=None),
            x2="end:Q",
            color=_colours("kind", {"stays": BLUE, "no record needed": GREY, "lost": VERMILION}),
        )
        told = base.mark_text(align="left", dx=5, fontSize=12).encode(x="end:Q", text="told:N")
        chart = (bars + told).properties(width=WIDTH, height=alt.Step(28), autosize=FIT_X)
        columns = {
            "Stage": lambda r: r["label"],
            "Crimes": lambda r: r["count"],
            "Kind": lambda r: r["kind"],
        }
        return self.figure(chart, title, caption, columns, rows)

    def curve(self, rows: Rows, limit: float, title: str, caption: str) -> Figure:
        """How much is recorded by which hour, with the limit.

        Args:
            rows: Of `recording_timeliness`, in order of the bands, the open one last.
            limit: Hours of the time limit.
            title: What is shown.
            caption: What to see in it.
        """
        closed = [row for row in rows if row["hours_to"] is not None]
        data = [{"hours": row["hours_to"], "share": row["cumulative_share"]} for row in closed]
        x = alt.X(
            "hours:Q",
            title="hours after the report",
            scale=alt.Scale(type="log", base=2),
            axis=alt.Axis(values=[row["hours_to"] for row in closed], labelOverlap=True,
                          grid=False),
        )  # fmt: skip
        line = alt.Chart(alt.Data(values=data)).encode(
            x=x,
            y=alt.Y("share:Q", title=None, axis=PERCENT, scale=alt.Scale(domain=[0, 1])),
        )
        at = alt.Chart(alt.Data(values=[{"hours": limit, "told": f"{limit:g} hours"}]))
        chart = alt.layer(
            line.mark_line(color=BLUE, point=alt.OverlayMarkDef(color=BLUE, size=40)),
            at.mark_rule(color=VERMILION, strokeDash=[4, 3]).encode(x="hours:Q"),
            at.mark_text(align="right", dx=-5, color=VERMILION, fontSize=12).encode(
                x="hours:Q", y=alt.datum(0.06), text="told:N"
            ),
        ).properties(width=WIDTH, height=220, autosize=FIT)
        columns = {
            "Hours": lambda r: f"over {r['hours_from']}" if r["hours_to"] is None
            else f"{r['hours_from']} to {r['hours_to']}",
            "Recorded": lambda r: r["band_count"],
            "By then": lambda r: _share(r["cumulative_share"]),
        }  # fmt: skip
        return self.figure(chart, title, caption, columns, rows)

    def calibration(self, rows: Rows, caption: str) -> Figure:
        """Probabilities of links against what references prove.

        Args:
            rows: Of `link_calibration`, with expected and found shares.
            caption: What to see in it.
        """
        data = [{"expected": row["expected"], "found": row["found"]} for row in rows]
        share = alt.Scale(domain=[0, 1])
        equal = alt.Chart(alt.Data(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}]))
        points = alt.Chart(alt.Data(values=data)).mark_point(
            filled=True, size=75, color=BLUE, opacity=1
        )
        chart = alt.layer(
            equal.mark_line(color=GREY, strokeDash=[4, 3]).encode(x="a:Q", y="b:Q"),
            points.encode(
                x=alt.X("expected:Q", title="expected", axis=PERCENT, scale=share),
                y=alt.Y("found:Q", title="proven right", axis=PERCENT, scale=share),
            ),
        ).properties(width=WIDTH, height=300, autosize=FIT)
        columns = {
            "Probability from": lambda r: f"{r['probability_from']:.1f}",
            "Records": lambda r: r["record_count"],
            "Expected right": lambda r: f"{r['expected_count']:,.0f}",
            "Right": lambda r: r["match_count"],
        }
        return self.figure(chart, "Do the probabilities hold?", caption, columns, rows)


PERCENT = alt.Axis(format="~%", tickCount=5, gridColor=PALE)
FIT = alt.AutoSizeParams(type="fit", contains="padding")
FIT_X = alt.AutoSizeParams(type="fit-x", contains="padding")
SERIES = (BLUE, VERMILION, GREEN, GREY)
MARKS = ("circle", "diamond", "triangle-up", "square")
LOOK: dict[str, Any] = {
    "background": "white",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
             "labelColor": "#1b2430", "titleColor": GREY, "domainColor": GREY, "tickColor": GREY},
    "legend": {"orient": "bottom", "title": None, "labelFontSize": 12, "labelColor": "#1b2430",
               "symbolSize": 75, "labelLimit": 0},
}  # fmt: skip


def _labels(labels: Sequence[str]) -> alt.Axis:
    """An axis of names, in two lines where they have a line break; room is kept for wide fonts."""
    longest = max(len(line) for label in labels for line in label.split("\n"))
    return alt.Axis(
        labelPadding=6,
        labelLimit=0,
        minExtent=7 * longest + 8,
        ticks=False,
        domain=False,
        labelExpr="split(datum.label, '\\n')",
        labelBaseline={
            "condition": {"test": "indexof(datum.label, '\\n') > 0", "value": "alphabetic"},
            "value": "middle",
        },
    )


def wrap_label(label: str, width: int = 22) -> str:
    """A label in two lines, where it is longer than one."""
    if len(label) <= width:
        return label
    cut = label.rfind(" ", 0, width + 1)
    return label if cut < 0 else f"{label[:cut]}\n{label[cut + 1 :]}"


def _colours(field: str, named: Mapping[str, str]) -> alt.Color:
    return alt.Color(f"{field}:N", scale=_scale(named), legend=_legend(named))


def _shapes(field: str, named: Mapping[str, str]) -> alt.Shape:
    return alt.Shape(f"{field}:N", scale=_scale(named), legend=_legend(named))


def _scale(named: Mapping[str, str]) -> alt.Scale:
    return alt.Scale(domain=list(named), range=list(named.values()))


def _legend(named: Mapping[str, str]) -> alt.Legend | None:
    if len(named) < 2:
        return None
    return alt.Legend(columns=1 if max(map(len, named)) > 18 else 2)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.1f}%"


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None else f"{_share(low)} to {_share(high)}"


def _cell(value: Any) -> str:
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
