"""The two pictures of docs/chief-officer.md, from `make audit-rehearsal`.

`.venv/bin/python -m cdi_proofs audit-pictures` draws them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cdi import paths
from cdi.errors import AuditError
from cdi.render import render

WIDTH, LEFT, RIGHT, TOP, STEP = 760, 250, 90, 76, 22
BRAND, MISSED = "#1f4e79", "#a3201d"
NARROW, WIDE = 0.01, 0.05  # between the scale's marks, as the rates need


def draw_intervals(
    file: Path,
    title: str,
    caption: str,
    rows: Sequence[Mapping[str, Any]],
    truth: tuple[float, str] | None = None,
) -> Path:
    """Write intervals, one under the other, as SVG.

    Args:
        file: Where.
        title: What is shown.
        caption: What to see in it.
        rows: label, rate, lower, upper (0 to 1) and told, what stands beside it.
        truth: A rate to mark by a line, and what it is; an interval that misses it is red.

    Returns:
        The file.
    """
    low, high = min(row["lower"] for row in rows), max(row["upper"] for row in rows)
    step = NARROW if high - low < 4 * WIDE else WIDE
    first, last = int(low / step), int(high / step) + 1
    scale = (WIDTH - LEFT - RIGHT) / ((last - first) * step)

    def x(rate: float) -> float:
        return round(LEFT + (rate - first * step) * scale, 1)

    def colour(row: Mapping[str, Any]) -> str:
        return BRAND if truth is None or row["lower"] <= truth[0] <= row["upper"] else MISSED

    every = max(1, (last - first) // 6)
    page = render(
        "intervals.svg.j2",
        title=title,
        caption=caption,
        is_simulated=True,
        width=WIDTH,
        left=LEFT,
        height=TOP + STEP * len(rows) + 26,
        line=None if truth is None else {"x": x(truth[0]), "label": truth[1]},
        ticks=[
            {"x": x(n * step), "label": f"{100 * n * step:.0f}%"}
            for n in range(first, last + 1, every)
        ],
        rows=[
            {
                "label": row["label"],
                "told": row["told"],
                "y": TOP + STEP * place,
                "low": x(row["lower"]),
                "middle": x(row["rate"]),
                "high": x(row["upper"]),
                "colour": colour(row),
            }
            for place, row in enumerate(rows)
        ],
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
    return file


def make_pictures(folder: Path) -> list[Path]:
    """Write both pictures.

    Args:
        folder: Of the pictures.

    Raises:
        AuditError: AUDIT-NO-REHEARSAL if there are no figures to draw.
    """
    figures = paths.home() / "audit_rehearsal.json"
    if not figures.is_file():
        raise AuditError(
            "AUDIT-NO-REHEARSAL", f"there is no {figures}", "run make audit-rehearsal first"
        )
    told = json.loads(figures.read_text(encoding="utf-8"))
    parts = [row for row in told["first_round"]["parts"] if row["recording_rate"] is not None]
    by_part = [
        {
            "label": row["domain"].replace("_", " ").replace("force", "all crime"),
            "rate": row["recording_rate"],
            "lower": row["lower_limit"],
            "upper": row["upper_limit"],
            "told": f"{100 * row['recording_rate']:.0f}%",
        }
        for row in parts
        if not row["domain"].startswith("district")
    ]
    once = told["one_round"]
    draws = [
        {
            "label": f"audit {row['seed']}",
            "rate": row["recording_rate"],
            "lower": row["lower_limit"],
            "upper": row["upper_limit"],
            "told": f"{100 * row['recording_rate']:.1f}%",
        }
        for row in once["draws"]
    ]
    return [
        draw_intervals(
            folder / "audited-rates.svg",
            "Of the crimes that people reported, how many were recorded?",
            f"One audit of {told['audited']:,} logs. The truth lies on the bar, 19 times in 20.",
            by_part,
        ),
        draw_intervals(
            folder / "audit-draws.svg",
            f"The same months, audited {once['of']} times",
            f"{once['covered']} of {once['of']} bars hold the true rate; another draw would move "
            "the dot, not the truth.",
            draws,
            (once["true_rate"], f"true: {100 * once['true_rate']:.1f}%"),
        ),
    ]
