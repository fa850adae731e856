"""The charts: SVG that stands alone, says what it shows, and carries SIMULATED where it must."""

import os
import re
import subprocess
import sys
from datetime import date
from itertools import pairwise
from xml.etree import ElementTree

import altair as alt
import pytest

from cdi import paths
from cdi.report.charts import Drawing, Figure
from cdi.report.matching import summarise_calibration

ROWS = [
    {"label": "Burglary <b>", "rate": 0.85, "low": 0.8, "high": 0.9, "kind": "ours", "n": 1200},
    {"label": "Robbery", "rate": 0.5, "low": None, "high": None, "kind": "theirs", "n": 4},
]
TEXT = "What to see. Burglary <b> (ours) 85.0% (80.0% to 90.0%); Robbery (theirs) 50.0%; all 70.0%."
COLUMNS = {"Group": lambda r: r["label"], "Crimes": lambda r: r["n"], "Low": lambda r: r["low"]}


def draw_rates(*, is_simulated: bool = True) -> Figure:
    drawing = Drawing(is_simulated=is_simulated)
    return drawing.intervals(ROWS, "Rates & groups", "What to see", COLUMNS, ("all", 0.7))


def test_a_chart_says_what_it_shows() -> None:
    svg = ElementTree.fromstring(draw_rates().svg)  # noqa: S314  of our own making
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == f"SIMULATED. Rates & groups. {TEXT}"
    assert [e.text for e in svg if e.tag.endswith("title")] == ["SIMULATED. Rates & groups"]
    assert [e.text for e in svg if e.tag.endswith("desc")] == [TEXT]
    texts = {e.text for e in svg.iter() if e.tag.endswith("text")}
    assert {"Burglary <b>", "Robbery", "ours", "theirs", "SIMULATED"} <= texts
    # inside an image nothing else has a role
    assert not re.search(r'role="graphics|aria-roledescription', draw_rates().svg)


def test_the_chart_of_probabilities_says_what_was_expected_and_what_was_found() -> None:
    rows = [
        {
            "probability_from": start, "record_count": 1200, "expected_count": 1200 * expected,
            "match_count": round(1200 * found), "expected": expected, "found": found,
        }
        for start, expected, found in ((0.0, 0.021, 0.015), (0.9, 0.987, 0.995))
    ]  # fmt: skip
    svg = Drawing(is_simulated=False).calibration(rows, "Dots").svg
    assert (
        "Dots. From 0%: expected 2.1%, proven right 1.5%; "
        "From 90%: expected 98.7%, proven right 99.5%."
    ) in svg
    assert svg.count(">1,200<") == 2  # each dot has its number of records
    assert summarise_calibration(rows) == (
        "Of 1,200 records whose likeliest log has a probability of 90% or more, it is right for "
        "1,194; 1,184 were expected. Of 1,200 other records, it is right for 18; 25 were expected."
    )
    assert "other records" not in summarise_calibration(rows[1:])


def test_a_title_that_asks_gets_no_full_stop() -> None:
    drawing = Drawing(is_simulated=False)
    svg = drawing.intervals(ROWS, "Did an officer come?", "What to see", COLUMNS).svg
    assert 'aria-label="Did an officer come? What to see. ' in svg


def test_only_invented_data_is_marked() -> None:
    assert "SIMULATED" not in draw_rates(is_simulated=False).svg


def test_a_chart_scales_and_asks_no_other_host() -> None:
    svg = draw_rates().svg
    head = svg[: svg.index(">")]
    assert "viewBox" in head and " width=" not in head
    names_of_formats = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r'https?://[^"\s]+', svg)) <= names_of_formats


def test_text_is_legible_on_a_telephone() -> None:
    width = float(re.findall(r'viewBox="0 0 ([\d.]+)', draw_rates().svg)[0])
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', draw_rates().svg)]
    assert len(sizes) > 5
    # of 390 pixels the page takes 16 on each side
    assert min(sizes) * 358 / width >= 11


@pytest.mark.parametrize(("low", "high"), [(0.64, 0.755), (0.701, 0.7049), (0.0, 1.0)])
def test_the_labels_of_the_axis_of_rates_keep_apart(low: float, high: float) -> None:
    """The last of them, moved inwards, touched the one before."""
    rows = [
        {"label": label, "rate": rate, "low": None, "high": None, "kind": "ours"}
        for label, rate in (("Violence against the person", low), ("Theft", high))
    ]
    columns = {"Group": lambda row: row["label"]}
    svg = Drawing(is_simulated=False).intervals(rows, "Rates", "What to see", columns).svg
    ends = []
    for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314
        if re.fullmatch(r"[\d.]+%", text.text or "") and text.get("opacity") != "0":
            place = float(re.findall(r"translate\(([\d.]+)", text.get("transform", ""))[0])
            width = 0.6 * 12 * len(text.text or "")  # about, of the font's 12 pixels
            left = {"start": 0, "middle": -width / 2, "end": -width}[text.get("text-anchor", "")]
            ends.append((place + left, place + left + width))
    assert len(ends) >= 3
    assert all(left - right > 8 for (_, right), (left, _) in pairwise(ends))


def test_its_table_has_the_figures() -> None:
    figure = draw_rates()
    assert figure.columns == ("Group", "Crimes", "Low")
    assert figure.rows == [("Burglary <b>", "1,200", "0.8"), ("Robbery", "4", "–")]


WEEK = {
    "reported_week_on": date(2017, 1, 2),
    "rate_so_far": 0.8,
    "nowcast_rate": None,
    "nowcast_low": None,
    "nowcast_high": None,
    "chart_centre": 0.8,
    "chart_low": 0.7,
    "chart_high": 0.9,
    "is_signal": False,
    "is_mature": True,
    "has_changed_delays": False,
    "due_count": 10,
    "recorded_count": 8,
}


def test_the_table_of_weeks_says_where_delays_have_changed() -> None:
    weeks = [
        WEEK,
        {**WEEK, "has_changed_delays": True},
        {**WEEK, "has_changed_delays": True, "is_mature": False},
    ]
    figure = Drawing(is_simulated=True).trend(weeks, "Weeks", "c")
    note = figure.columns.index("Note")
    notes = [row[note] for row in figure.rows]
    assert notes[1:] == ["delays have changed", "records still come in, delays have changed"]
    assert "delays" not in notes[0]


def test_several_charts_of_a_page_share_no_id() -> None:
    drawing = Drawing(is_simulated=True)
    values = alt.Data(values=[{"x": 0, "y": 1}, {"x": 2, "y": 3}])
    # what is clipped refers to its frame by an id
    clipped = alt.Chart(values).mark_line(clip=True).encode(x="x:Q", y="y:Q")
    svgs = [drawing.figure(clipped, title, "c", {}, []).svg for title in ("One", "Two")]
    ids = [re.findall(r'\bid="([^"]+)"', svg) for svg in svgs]
    for number, svg, ids_of_chart in zip((1, 2), svgs, ids, strict=True):
        # The renderer counts on from chart to chart within a process, on which nothing may rely.
        assert ids_of_chart
        assert all(name.startswith(f"c{number}-") for name in ids_of_chart)
        referred = set(re.findall(r"url\(#([^)]+)\)", svg))
        assert referred
        assert referred <= set(ids_of_chart)


def test_a_waterfall_ends_where_its_losses_lead() -> None:
    def row(label: str, count: int, *, is_loss: bool = False) -> dict[str, object]:
        return {"label": label, "crimes": count, "kind": "lost" if is_loss else "stays"}

    rows = [row("reported", 10), row("lost", 3, is_loss=True), row("kept", 7)]
    svg = Drawing(is_simulated=False).waterfall(rows, "Flow", "c").svg
    bars = [
        (float(x), float(x) + float(width))
        for x, width in re.findall(r'd="M([\d.]+),[\d.]+h([\d.]+)v16', svg)
    ]
    (start, end), (lost, lost_end), (_, kept) = bars
    assert lost_end == pytest.approx(end)
    assert (lost - start) / (end - start) == pytest.approx(0.7)
    assert kept == pytest.approx(lost)


def test_each_kind_of_stage_has_its_colour_in_a_waterfall() -> None:
    kinds = ("stays", "no record needed", "not in the rate", "lost")
    rows = [{"label": kind, "crimes": 9 if kind == "stays" else 2, "kind": kind} for kind in kinds]
    svg = Drawing(is_simulated=False).waterfall(rows, "Flow", "c").svg
    texts = {e.text for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")}  # noqa: S314
    assert set(kinds) <= texts  # in the key
    bars = re.findall(r'<path [^>]*d="M[\d.]+,[\d.]+h[\d.]+v16[^>]*', svg)
    colours = re.findall(r'fill="(#\w{6})"', " ".join(bars))
    assert len(bars) == len(set(colours)) == 4


def test_the_key_of_a_waterfall_is_not_cut_off() -> None:
    """Also where a browser's letters are a fifth wider than those of the layout."""
    kinds = ("stays", "no record needed", "not in the rate", "lost")
    rows = [{"label": kind, "crimes": 2, "kind": kind} for kind in kinds[1:]]
    rows = [{"label": "Closed: Crime recorded", "crimes": 9, "kind": "stays"}, *rows]
    svg = Drawing(is_simulated=False).waterfall(rows, "Flow", "c").svg
    frame, start, key, whole = (
        float(re.search(pattern, svg)[1])  # type: ignore[index]
        for pattern in (
            r"translate\(([\d.]+),",
            r'role-legend"><g transform="translate\(([\d.]+),',
            r'role-legend"><g [^>]*><path class="background" d="M0,0h([\d.]+)',
            r'viewBox="0 0 ([\d.]+)',
        )
    )
    assert 0 < 1.2 * key <= whole - frame - start


LONG = "Referred to Other Department - Environmental Health and Safety"
ALIKE = "Referred to Other Department - Environmental Care"  # the same where it is cut off


def read_texts(svg: str, role: str) -> list[tuple[float, float, str]]:
    """Place and words of the first texts of a role: across, down, and the lines joined."""
    marks = re.findall(rf'<g class="mark-text {role}[^>]*>(.*?)</g>', svg, re.DOTALL)
    texts = re.findall(
        r"<text [^>]*translate\(([-\d.]+),([-\d.]+)\)[^>]*>(.*?)</text>", marks[0], re.DOTALL
    )
    return [
        (float(x), float(y), " ".join(re.sub("<[^>]+>", " ", text).split())) for x, y, text in texts
    ]


@pytest.mark.parametrize("kind", ["waterfall", "bars"])
def test_long_names_and_large_counts_leave_room_for_the_bars(kind: str) -> None:
    rows = [
        {"label": "Reported crimes", "crimes": 12_345_678, "kind": "stays"},
        {"label": f"Closed: {LONG}", "crimes": 6_000_000, "kind": "lost"},
        {"label": f"Closed: {ALIKE}", "crimes": 1_000_000, "kind": "lost"},
        {"label": LONG.replace(" ", ""), "crimes": 5_345_678, "kind": "stays"},
    ]
    drawing = Drawing(is_simulated=False)
    if kind == "bars":
        figure = drawing.bars(rows, "Causes", "c", {"Cause": lambda row: row["label"]})
    else:
        figure = drawing.waterfall(rows, "Flow", "c")
    frame, whole = (
        float(re.findall(pattern, figure.svg)[0])
        for pattern in (r"translate\(([\d.]+),", r'viewBox="0 0 ([\d.]+)')
    )
    longest = max(float(n) for n in re.findall(r'd="M[\d.]+,[\d.]+h([\d.]+)v16', figure.svg))
    assert longest > 60
    counts = read_texts(figure.svg, "role-mark")
    assert len(counts) == 4
    for x, _, count in counts:
        # In this font a figure is 0.556 of the size wide and a comma 0.278; a browser's letters may
        # be a fifth wider.
        width = 12 * (0.556 * sum(sign.isdigit() for sign in count) + 0.278 * count.count(","))
        assert frame + x + 1.2 * width <= whole
    names = read_texts(figure.svg, "role-axis-label")
    assert names[1][2] == names[2][2]
    assert names[1][2].endswith("…")
    assert len({y for _, y, _ in names}) == 4  # two that are cut off alike do not become one
    assert [row[0] for row in figure.rows] == [row["label"] for row in rows]
    assert f"Closed: {LONG} 6,000,000; Closed: {ALIKE} 1,000,000" in figure.svg


def test_districts_with_long_names_have_a_line_each() -> None:
    rows = [{"label": name, "rate": 0.5, "kind": "district"} for name in (LONG, ALIKE, "North")]
    figure = Drawing(is_simulated=False).intervals(
        rows, "Districts", "c", {"District": lambda row: row["label"]}
    )
    dots = re.findall(r'<path transform="translate\(([\d.]+),([\d.]+)\)', figure.svg)
    assert len({down for _, down in dots}) == 3
    assert all(float(across) > 60 for across, _ in dots)  # the middle of what is left beside names
    assert f"{LONG} 50.0%; {ALIKE} 50.0%; North 50.0%" in figure.svg


def test_months_have_their_full_names() -> None:
    weeks = [{**WEEK, "reported_week_on": date(2017, month, 1)} for month in (1, 3, 5, 7)]
    svg = Drawing(is_simulated=False).trend(weeks, "Weeks", "c").svg
    texts = {e.text for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")}  # noqa: S314
    assert {"Recording rate", "Week of report", "May 2017"} <= texts


DRAW_WEEKS = """
from datetime import date
from cdi.report.charts import Drawing
from tests.unit.report.test_charts import WEEK
weeks = [{**WEEK, "reported_week_on": date(2017, 1, day)} for day in (2, 9, 16)]
print(Drawing(is_simulated=False).trend(weeks, "Weeks", "c").svg)
"""


def test_weeks_have_their_days_in_a_time_zone_west_of_greenwich() -> None:
    # the renderer reads the time zone once in a process
    env = {**os.environ, "TZ": "America/New_York"}
    svg = subprocess.run(
        [sys.executable, "-c", DRAW_WEEKS], env=env, cwd=paths.REPO,
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    days = {text for _, _, text in read_texts(svg, "role-axis-label")}
    assert (
        {"2 January 2017", "16 January 2017"} <= days <= {f"{n} January 2017" for n in (2, 9, 16)}
    )


def test_bars_say_their_counts() -> None:
    rows = [{"label": "Second crime", "crimes": 1200}, {"label": "Excuse", "crimes": 3}]
    figure = Drawing(is_simulated=False).bars(rows, "Causes", "c", {"Cause": lambda r: r["label"]})
    assert "Second crime 1,200; Excuse 3." in figure.svg
    assert [count for _, _, count in read_texts(figure.svg, "role-mark")] == ["1,200", "3"]
    lengths = [float(n) for n in re.findall(r'd="M[\d.]+,[\d.]+h([\d.]+)v16', figure.svg)]
    assert lengths[1] / lengths[0] == pytest.approx(3 / 1200, rel=0.01)
