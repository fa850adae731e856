"""The charts of the pages: Vega-Lite by Altair, rendered to SVG that is part of the page itself.

All charts look alike. They are narrow, so that their text is legible on a telephone. They use
colours that colour-blind readers can tell apart, and different shapes as well; the key is above the
chart. SIMULATED is written below each chart of invented data. Every chart has a title, a text with
its key values for readers who cannot see it, and its figures as a table.
"""

import io
import itertools
import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
from markupsafe import Markup, escape

from cdi.render import NOTHING
from cdi.report.contract import Table
from cdi.shares import write_percent, write_range

WIDTH = 380
# Okabe and Ito's colours that stand out on white
BLUE, VERMILION, GREEN, GREY, PALE = "#0072b2", "#c44e00", "#007a5a", "#4d5866", "#d5dbe3"
BLACK, INK, SLATE = "#000000", "#1b2430", "#8592a2"
FONT = "system-ui, Liberation Sans, sans-serif"

Rows = Sequence[Mapping[str, Any]]


class Figure(NamedTuple):
    """A chart with the text and the table around it.

    Attributes:
        title: What is shown, or what was found.
        caption: What to see in it, or what is plotted.
        svg: The chart.
        columns: Headings of its table.
        rows: Cells of its table, as text.
        table: The declared figure that it draws; None if there is none.
    """

    title: str
    caption: str
    svg: Markup
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    table: Table | None = None

    def is_text(self, column: int) -> bool:
        """Whether a column of the table holds sentences or names, which are read from the left."""
        return column == 0 or any(str(row[column])[:1].isalpha() for row in self.rows)


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
        key_values: str = "",
    ) -> Figure:
        """Render a chart.

        Args:
            chart: The chart.
            title: What is shown, or what was found.
            caption: What to see in it, or what is plotted.
            columns: Heading of each column of its table, and what it shows of a row.
            rows: What is shown.
            key_values: What a reader who cannot see the chart has to know of it.
        """
        table = [
            tuple(_format_cell(read_value(row)) for read_value in columns.values()) for row in rows
        ]
        svg = self._render_svg(chart, title, " ".join(map(_end_sentence, (caption, key_values))))
        return Figure(title, caption, svg, tuple(columns), table)

    def _render_svg(self, chart: alt.TopLevelMixin, title: str, text: str) -> Markup:
        """The chart as SVG, with a head of our own: it scales, and it says what it shows."""
        rendered = io.StringIO()
        chart.configure(**LOOK).save(rendered, format="svg")
        head, _, body = rendered.getvalue().partition(">")
        width, height = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)[0])
        # Vega gives the same ids to the parts of every chart, and a page has several charts.
        prefix = f"c{next(self._numbers)}-"
        body = re.sub(r'\b(id="|url\(#|href="#)', rf"\1{prefix}", body)
        # Screen readers would read each mark by itself; the label of the whole SVG is enough.
        body = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", body).strip().removesuffix("</svg>")
        full_title = f"SIMULATED. {title}" if self.is_simulated else title
        watermark = ""
        if self.is_simulated:  # below the chart, where it covers no mark
            height += 16
            watermark = (
                f'<text x="{width / 2:.0f}" y="{height - 4:g}" text-anchor="middle" '
                f'font-family="{FONT}" font-size="12px" font-weight="700" letter-spacing="3" '
                'fill="#8a5200">SIMULATED</text>'
            )
        return Markup(  # noqa: S704  Vega escapes the text that it draws
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'role="img" viewBox="0 0 {width:g} {height:g}" '
            f'aria-label="{escape(_end_sentence(full_title))} {escape(text)}">'
            f"<title>{escape(full_title)}</title>"
            f"<desc>{escape(text)}</desc>{body}{watermark}</svg>"
        )

    def trend(self, rows: Rows, title: str, caption: str) -> Figure:
        """The rate by week, with the control limits of the settled weeks.

        Args:
            rows: Of `weekly_rates`, one a week.
            title: What was found.
            caption: What is plotted.
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
                "kind": _maturity_of_week(row) or COMPLETE,
            }
            for row in rows
        ]
        # Vega reads a date as midnight in UTC, so it is also shown in UTC, wherever this runs.
        utc = alt.Scale(type="utc")
        base = alt.Chart(alt.Data(values=data)).encode(
            x=alt.X("week:T", scale=utc, title="Week of report", axis=_make_month_axis(rows))
        )
        rate = alt.Y("rate:Q", title="Recording rate", axis=PERCENT, scale=NICE)
        colours = {COMPLETE: BLUE, INCOMPLETE: VERMILION, UNUSUAL: BLACK}
        shapes = dict(zip(colours, ("circle", "square", "triangle-down"), strict=True))
        layers = [
            base.mark_area(color=PALE).encode(y="chart_low:Q", y2="chart_high:Q"),
            base.mark_line(color=GREY, strokeDash=[4, 3]).encode(y="centre:Q"),
            base.mark_rule(color=VERMILION).encode(y="low:Q", y2="high:Q"),
            base.mark_line(color=BLUE, strokeWidth=1.5).encode(y=rate),
            base.mark_point(filled=True, size=45, opacity=1).encode(
                y=rate, color=_colour_by_kind(colours), shape=_shape_by_kind(shapes)
            ),
        ]
        chart = alt.layer(*layers).properties(width=WIDTH, height=220, autosize=FIT)
        columns = {
            "Week from": lambda row: f"{row['reported_week_on']:%-d %B %Y}",
            "Due": lambda row: row["due_count"],
            "Recorded so far": lambda row: row["recorded_count"],
            "Rate so far": lambda row: _format_share(row["rate_so_far"]),
            "Expected": lambda row: _format_share(row["nowcast_rate"]),
            "90% limits": lambda row: _format_range(row["nowcast_low"], row["nowcast_high"]),
            "Chance alone": lambda row: _format_range(row["chart_low"], row["chart_high"]),
            "Note": _describe_week,
        }
        shown = [row["nowcast_rate"] or row["rate_so_far"] for row in rows]
        first, last = (f"{row['reported_week_on']:%-d %B %Y}" for row in (rows[0], rows[-1]))
        key_values = (
            f"From the week of {first} to the week of {last} the rate is between "
            f"{write_percent(min(shown))} and {write_percent(max(shown))}; in the last week it is "
            f"{write_percent(shown[-1])}"
        )
        return self.figure(chart, title, caption, columns, rows, key_values)

    def intervals(
        self,
        rows: Rows,
        title: str,
        caption: str,
        columns: Mapping[str, Callable[[Mapping[str, Any]], Any]],
        line: tuple[str, float] | None = None,
        others: Rows = (),
        axis_title: str = "Recording rate",
    ) -> Figure:
        """Rates under one another, each with its interval where it has one.

        Args:
            rows: label, rate, and where known low and high; kind tells series apart.
            title: What is shown.
            caption: What to see in it.
            columns: Of its table.
            line: The name of a rate to compare with, and that rate.
            others: More such rows, which are drawn for scale and are not in the table.
            axis_title: What the axis says.
        """
        fields = ("rate", "low", "high", "kind")
        drawn = [*rows, *others]
        labels = list(dict.fromkeys(row["label"] for row in drawn))
        data = [
            {field: row.get(field) for field in fields} | {"place": labels.index(row["label"])}
            for row in drawn
        ]
        kinds = list(dict.fromkeys(str(row["kind"]) for row in data))
        base = alt.Chart(alt.Data(values=data)).encode(y=_place_by_label(labels))
        rate = alt.X("rate:Q", title=axis_title, axis=PERCENT, scale=NICE)
        colour = _colour_by_kind(dict(zip(kinds, SERIES, strict=False)))
        shape = _shape_by_kind(dict(zip(kinds, MARKS, strict=False)))
        layers: list[Any] = [
            base.mark_rule(strokeWidth=2.5).encode(x="low:Q", x2="high:Q", color=colour),
            base.mark_point(filled=True, size=75, opacity=1).encode(
                x=rate, color=colour, shape=shape
            ),
        ]
        if line:
            rule = alt.Chart(alt.Data(values=[{"at": line[1]}]))
            layers.insert(0, rule.mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="at:Q"))
        chart = alt.layer(*layers).properties(width=WIDTH, height=alt.Step(28), autosize=FIT_X)
        key_values = "; ".join(
            " ".join(filter(None, (row["label"], _name_kind(row, kinds), _describe_rate(row))))
            for row in drawn
        )
        if line:
            key_values += f"; {line[0]} {write_percent(line[1])}"
        return self.figure(chart, title, caption, columns, rows, key_values)

    def waterfall(self, rows: Rows, title: str, caption: str) -> Figure:
        """Stages of a flow: what is left at each, and what was lost on the way.

        Args:
            rows: label, crimes and kind; what does not stay leaves the flow there.
            title: What was found.
            caption: What is plotted.
        """
        data, left = [], 0
        for place, row in enumerate(rows):
            count, is_loss = row["crimes"], row["kind"] != "stays"
            # A loss hangs below what was left before it; a stage stands on the axis.
            start, end = (left - count, left) if is_loss else (0, count)
            left = start if is_loss else count
            bar = {"start": start, "end": end, "kind": row["kind"]}
            data.append({"place": place, "text": f"{count:,}", **bar})
        base = alt.Chart(alt.Data(values=data)).encode(
            y=_place_by_label([row["label"] for row in rows])
        )
        bars = base.mark_bar(height=16).encode(
            x=alt.X("start:Q", title=None, scale=_make_count_scale(rows), axis=None),
            x2="end:Q",
            color=_colour_by_kind(STAGES),
        )
        numbers = base.mark_text(align="left", dx=5, fontSize=12).encode(x="end:Q", text="text:N")
        chart = (bars + numbers).properties(width=WIDTH, height=alt.Step(28), autosize=FIT_X)
        columns = {
            "Stage": lambda row: row["label"],
            "Crimes": lambda row: row["crimes"],
            "Kind": lambda row: row["kind"],
        }
        return self.figure(chart, title, caption, columns, rows, _list_counts(rows))

    def bars(
        self,
        rows: Rows,
        title: str,
        caption: str,
        columns: Mapping[str, Callable[[Mapping[str, Any]], Any]],
    ) -> Figure:
        """Counts of crimes under one another.

        Args:
            rows: label and crimes.
            title: What was found.
            caption: What is plotted.
            columns: Of its table.
        """
        data = [{"place": place, "crimes": row["crimes"]} for place, row in enumerate(rows)]
        base = alt.Chart(alt.Data(values=data)).encode(
            x=alt.X("crimes:Q", title=None, scale=_make_count_scale(rows), axis=None),
            # there is no key, so the names have more room
            y=_place_by_label([row["label"] for row in rows], letters=28),
        )
        numbers = base.mark_text(align="left", dx=5, fontSize=12).encode(
            text=alt.Text("crimes:Q", format=",")
        )
        chart = base.mark_bar(height=16, color=VERMILION) + numbers
        chart = chart.properties(width=WIDTH, height=alt.Step(36), autosize=FIT_X)
        return self.figure(chart, title, caption, columns, rows, _list_counts(rows))

    def calibration(self, rows: Rows, caption: str) -> Figure:
        """Probabilities of links against what references prove.

        Args:
            rows: Of `link_calibration`, with expected and found shares.
            caption: What to see in it.
        """
        data = [
            {
                "expected": row["expected"],
                "found": row["found"],
                "records": f"{row['record_count']:,}",
            }
            for row in rows
        ]
        share = alt.Scale(domain=[0, 1])
        equal = alt.Chart(alt.Data(values=[{"a": 0, "b": 0}, {"a": 1, "b": 1}]))
        tenths = alt.Chart(alt.Data(values=data)).encode(
            x=alt.X("expected:Q", title="expected to be right", axis=PERCENT, scale=share),
            y=alt.Y("found:Q", title="proven right", axis=PERCENT, scale=share),
        )
        chart = alt.layer(
            equal.mark_line(color=GREY, strokeDash=[4, 3]).encode(x="a:Q", y="b:Q"),
            tenths.mark_point(filled=True, size=75, color=BLUE, opacity=1),
            # beside the dashed line, and within the axes
            tenths.transform_filter("datum.expected >= 0.1")
            .mark_text(dx=-8, dy=-8, align="right", color=INK)
            .encode(text="records:N"),
            tenths.transform_filter("datum.expected < 0.1")
            .mark_text(dx=12, align="left", color=INK)
            .encode(text="records:N"),
        ).properties(width=WIDTH, height=300, autosize=FIT)
        columns = {
            "Probability from": lambda row: f"{row['probability_from']:.0%}",
            "Records": lambda row: row["record_count"],
            "Expected right": lambda row: f"{row['expected_count']:,.0f}",
            "Right": lambda row: row["match_count"],
        }
        key_values = "; ".join(
            f"From {row['probability_from']:.0%}: expected {write_percent(row['expected'])}, "
            f"proven right {write_percent(row['found'])}"
            for row in rows
        )
        title = "Are the probabilities right?"
        return self.figure(chart, title, caption, columns, rows, key_values)


# Without `labelFlush`, as the last label would be moved towards the one before it.
PERCENT = alt.Axis(
    format="~%",
    tickCount=5,
    gridColor=PALE,
    labelOverlap=True,
    labelFlush=False,
    labelSeparation=6,
)
# what a week is, in the key and in the table
COMPLETE, INCOMPLETE = "settled", "records still come in"
UNUSUAL = "more than chance explains"
NICE = alt.Scale(zero=False, nice=True)
FIT = alt.AutoSizeParams(type="fit", contains="padding")
FIT_X = alt.AutoSizeParams(type="fit-x", contains="padding")
SERIES = (BLUE, VERMILION, GREEN, GREY)
STAGES = {"stays": BLUE, "no record needed": GREY, "not in the rate": SLATE, "lost": VERMILION}
MARKS = ("circle", "diamond", "triangle-up", "square")
LOOK: dict[str, Any] = {
    "background": "white",
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": GREY,
        "domainColor": GREY,
        "tickColor": GREY,
    },
    "legend": {
        "orient": "top",
        "title": None,
        "labelFontSize": 12,
        "labelColor": INK,
        "symbolSize": 75,
        "labelLimit": 0,
    },
}


def _maturity_of_week(row: Mapping[str, Any]) -> str:
    """What a reader must know of a week; nothing if it is mature and within the limits."""
    if row["is_signal"]:
        return UNUSUAL
    return "" if row["is_mature"] else INCOMPLETE


def _describe_week(row: Mapping[str, Any]) -> str:
    """What the table says of a week; nothing if it is like most."""
    change = "delays have changed" if row["has_changed_delays"] else ""
    return ", ".join(filter(None, (_maturity_of_week(row), change)))


def _place_by_label(labels: Sequence[str], letters: int = 22) -> alt.Y:
    """Names under one another, in the order given; room is kept for wide fonts.

    The field is the number of the name, since two long names may be cut off to the same text.
    """
    lines = [wrap_label(label, letters) for label in labels]
    longest = max(len(line) for parts in lines for line in parts)
    lines_of_label = f"{json.dumps(lines)}[datum.value]"
    axis = alt.Axis(
        labelPadding=6,
        labelLimit=0,
        minExtent=7 * longest + 8,
        ticks=False,
        domain=False,
        labelExpr=lines_of_label,
        labelBaseline={
            "condition": {"test": f"length({lines_of_label}) > 1", "value": "alphabetic"},
            "value": "middle",
        },
    )
    return alt.Y("place:O", title=None, axis=axis)


def wrap_label(label: str, letters: int) -> list[str]:
    """The lines of a label: two if it is longer than one, and cut off if it is longer than two.

    Args:
        label: The label.
        letters: How many a line has at most.
    """
    lines = textwrap.wrap(label, letters) or [""]
    if len(lines) <= 2:
        return lines
    others = label.removeprefix(lines[0]).strip()
    return [lines[0], f"{others[: letters - 1].rstrip()}…"]


def _make_count_scale(rows: Rows) -> alt.Scale:
    """A scale from 0 to the largest count, which leaves room for the number beside its bar."""
    counts = [row["crimes"] for row in rows]
    room = 5 + 8 * max(len(f"{count:,}") for count in counts)  # a gap, and wide letters
    return alt.Scale(domain=[0, max(counts)], range=[0, alt.ExprRef(f"width - {room}")])


def _colour_by_kind(colours: Mapping[str, str]) -> alt.Color:
    return alt.Color("kind:N", scale=_make_scale(colours), legend=_make_legend(colours))


def _shape_by_kind(shapes: Mapping[str, str]) -> alt.Shape:
    return alt.Shape("kind:N", scale=_make_scale(shapes), legend=_make_legend(shapes))


def _make_scale(looks: Mapping[str, str]) -> alt.Scale:
    return alt.Scale(domain=list(looks), range=list(looks.values()))


def _make_legend(looks: Mapping[str, str]) -> alt.Legend | None:
    """A key above the chart; none if there is nothing to tell apart."""
    if len(looks) < 2:
        return None
    # Two long names beside each other would be cut off, as there is little room beside the names of
    # the bars. The names fill two columns row by row, and each is as wide as its longest name.
    letters = sum(max(map(len, list(looks)[column::2])) for column in range(2))
    return alt.Legend(columns=1 if letters > 26 else 2, columnPadding=16)


def _make_month_axis(rows: Rows) -> alt.Axis:
    """An axis of months with their full names and years: `May 17` would read as a day."""
    first, last = (row["reported_week_on"] for row in (rows[0], rows[-1]))
    months = 12 * (last.year - first.year) + last.month - first.month
    if months < 2:
        days = [row["reported_week_on"].isoformat() for row in rows]
        return alt.Axis(
            format="%-d %B %Y", values=days, grid=False, labelOverlap=True, labelFlush=True
        )
    step = alt.TimeIntervalStep(interval="month", step=1 + months // 4)
    return alt.Axis(format="%B %Y", tickCount=step, grid=False, labelOverlap=True, labelFlush=True)


def _name_kind(row: Mapping[str, Any], kinds: Sequence[str]) -> str:
    """Which series a row is of, if there are several."""
    return f"({row['kind']})" if len(kinds) > 1 else ""


def _describe_rate(row: Mapping[str, Any]) -> str:
    """A rate with its limits, or the one of them that is known."""
    limits = _format_range(row.get("low"), row.get("high"))
    if row["rate"] is None:
        return limits or NOTHING
    return write_percent(row["rate"]) + (f" ({limits})" if limits else "")


def _list_counts(rows: Rows) -> str:
    return "; ".join(f"{row['label']} {row['crimes']:,}" for row in rows)


def _end_sentence(text: str) -> str:
    return text if not text or text.endswith((".", "?")) else f"{text}."


def _format_share(value: float | None) -> str | None:
    return None if value is None else write_percent(value)


def _format_range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else write_range(low, high)


def _format_cell(value: Any) -> str:
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
