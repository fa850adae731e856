"""The two pictures of docs/chief-officer.md, drawn from what `make audit-rehearsal` found.

`.venv/bin/python -m cdi_proofs audit-pictures` draws them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt

from cdi import paths
from cdi.errors import AuditError
from cdi.files import read_json, write_text
from cdi.report.charts import BLUE, FONT, GREEN, GREY, PALE, VERMILION, Drawing

WIDTH, STEP = 480, 22


def draw_intervals(
    file: Path,
    title: str,
    caption: str,
    rows: Sequence[Mapping[str, Any]],
    truth: float | None = None,
) -> Path:
    """Write intervals, one under the other, as SVG.

    Args:
        file: The picture to write.
        title: What is shown.
        caption: What to see in it.
        rows: The figures of each interval: label, recording_rate, lower_limit and upper_limit (0 to
            1), and text, which stands beside it.
        truth: The true rate, which a line marks; an interval that misses it has another colour.

    Returns:
        The file.
    """
    values = [
        dict(row, holds=truth is None or row["lower_limit"] <= truth <= row["upper_limit"])
        for row in rows
    ]
    intervals = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y(
            "label:N",
            sort=None,
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelLimit=0, labelPadding=10),
        ),
        color=alt.condition("datum.holds", alt.value(BLUE), alt.value(VERMILION)),
    )
    rate_axis = alt.X(
        "lower_limit:Q",
        title=None,
        scale=alt.Scale(zero=False, nice=True),
        axis=alt.Axis(format="~%", tickCount=6, gridColor=PALE),
    )
    layers: list[alt.Chart] = [
        intervals.mark_rule(strokeWidth=4).encode(x=rate_axis, x2="upper_limit:Q"),
        intervals.mark_point(filled=True, size=90, opacity=1).encode(x="recording_rate:Q"),
        intervals.mark_text(align="left", dx=8).encode(
            x="upper_limit:Q", text="text:N", color=alt.value(GREY)
        ),
    ]
    if truth is not None:
        line = alt.Chart(alt.Data(values=[{"rate": truth, "text": f"true: {truth:.1%}"}])).encode(
            x="rate:Q"
        )
        layers = [
            line.mark_rule(strokeWidth=2, color=GREEN),
            *layers,
            line.mark_text(align="left", dx=5, y=-8, color=GREEN).encode(text="text:N"),
        ]
    heading = alt.TitleParams(title, subtitle=caption, anchor="start", font=FONT, offset=14)
    chart = alt.layer(*layers).properties(title=heading, width=WIDTH, height=STEP * len(rows))
    figure = Drawing(is_simulated=True).figure(chart, title, caption, {}, [])
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, f"{figure.svg}\n")
    return file


def make_pictures(folder: Path) -> list[Path]:
    """Write both pictures.

    Args:
        folder: The folder of the pictures.

    Raises:
        AuditError: AUDIT-NO-REHEARSAL if there are no figures to draw.
    """
    file = paths.home() / "audit_rehearsal.json"
    if not file.is_file():
        raise AuditError(
            "AUDIT-NO-REHEARSAL", f"there is no {file}", "run make audit-rehearsal first"
        )
    figures = read_json(file)
    by_part = [
        {
            **part,
            "label": part["domain"].replace("_", " ").replace("force", "all crime"),
            "text": f"{part['recording_rate']:.0%}",
        }
        for part in figures["first_round"]["parts"]
        if part["recording_rate"] is not None and not part["domain"].startswith("district")
    ]
    one_round = figures["one_round"]
    draws = [
        {**draw, "label": f"audit {draw['seed']}", "text": f"{draw['recording_rate']:.1%}"}
        for draw in one_round["draws"]
    ]
    return [
        draw_intervals(
            folder / "audited-rates.svg",
            "Of the crimes that people reported, how many were recorded?",
            f"One audit of {figures['audited']:,} logs. The truth lies on the bar, 19 times in 20.",
            by_part,
        ),
        draw_intervals(
            folder / "audit-draws.svg",
            f"The same months, audited {one_round['of']} times",
            f"{one_round['covered']} of {one_round['of']} bars hold the true rate; another draw "
            "would move the dot, not the truth.",
            draws,
            one_round["true_rate"],
        ),
    ]
