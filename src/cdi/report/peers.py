"""Agencies beside each other: `.venv/bin/cdi peers`, from what each has released.

Only the open extracts (`cdi.open_extract`) are read: what may leave an agency. Rates are
uncorrected, and the software reads some agencies' logs better than others'. Being outside the
funnel is a reason to look, not a verdict.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cdi import paths
from cdi.agency.load import agency_names
from cdi.files import write_text
from cdi.monitoring.limits import Funnel, funnel_limits
from cdi.render import render
from cdi.shares import write_percent, write_range
from cdi.sql import connect, fetch_dicts, literal, read_query

if TYPE_CHECKING:
    from cdi.report.charts import Figure


SQL = Path(__file__).parent / "sql"
LEAST_AGENCIES = 5  # of a funnel: fewer show no common rate and no over-dispersion
LEAST_DUE = 20  # crimes of an agency whose rate is compared
QUARTERS = 4  # the newest, of each
LEVELS = (0.95, 0.998)
BLANK = dict.fromkeys(
    ("target", "phi", "z", "low_95", "high_95", "low_998", "high_998", "place"), None
)


def find_published_extracts() -> dict[str, Path]:
    """Find the open extracts of the versions that are published here, by agency."""
    folders = {name: paths.current(name) / "open" for name in agency_names()}
    return {name: folder for name, folder in folders.items() if (folder / "open.duckdb").is_file()}


def read_released(extracts: Mapping[str, Path] | None = None) -> list[dict[str, Any]]:
    """What each agency has released of itself as a whole, of its newest quarters.

    Args:
        extracts: The folder of each agency's open extract; by default of what is published here.

    Returns:
        One row per agency: agency, agency_name, is_simulated, first_quarter, last_quarter,
        due_count, effective_count, rate; `withheld_reason` in place of figures that it does not
        show.
    """
    query = read_query(SQL / "released_totals.sql")
    rows = []
    with connect() as con:
        chosen = find_published_extracts() if extracts is None else extracts
        for agency, folder in chosen.items():
            for table in ("quarters", "crimes", "rates", "release"):
                file = literal(str(folder / f"{table}.parquet"))
                con.execute(f"create or replace view {table} as from read_parquet({file})")
            (row,) = fetch_dicts(con, query, {"quarters": QUARTERS})
            recorded, gaps = row.pop("recorded_count"), row.pop("gaps")
            if row["withheld_reason"] is None:
                row["withheld_reason"] = _explain_missing_rate(row, gaps)
            row["rate"] = None if row["withheld_reason"] else recorded / row["due_count"]
            if row["withheld_reason"]:
                row["due_count"] = row["effective_count"] = None
            rows.append({"agency": agency, **row})
    return rows


def _explain_missing_rate(row: Mapping[str, Any], gaps: int) -> str | None:
    """Why an agency's rate is not compared; None if it is."""
    if row["last_quarter"] is None:
        return "no quarter is released yet"
    if gaps or row["due_count"] < LEAST_DUE:
        return f"fewer than {LEAST_DUE} crimes in a quarter, or some figures withheld"
    return None


def compare_agencies(released: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put agencies into funnels, simulated ones apart from real ones.

    Args:
        released: As from `read_released`.

    Returns:
        The rows, each with `target`, `phi` (over-dispersion), `z`, limits `low_95`, `high_95`,
        `low_998`, `high_998` and `place`: inside, or outside the 95% or the 99.8% limits; None
        where there are fewer than five agencies of a kind.
    """
    rows = []
    for is_simulated in (False, True):
        agencies = [row for row in released if row["is_simulated"] == is_simulated]
        with_rate = [row for row in agencies if row["rate"] is not None]
        if len(with_rate) >= LEAST_AGENCIES:
            rows += _place_in_funnel(with_rate)
            rows += [row | BLANK for row in agencies if row["rate"] is None]
        else:
            rows += [row | BLANK for row in agencies]
    return sorted(rows, key=lambda row: row["agency"])


def _place_in_funnel(agencies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rates, sizes = (
        np.array([row[name] for row in agencies]) for name in ("rate", "effective_count")
    )
    funnel = funnel_limits(rates, sizes)
    # low_95, high_95, low_998 and high_998
    limits = {
        f"{side}_{level * 1000:.0f}".removesuffix("0"): values
        for level in LEVELS
        for side, values in zip(("low", "high"), funnel.limits(sizes, level), strict=True)
    }
    is_outside, is_far_outside = (funnel.is_outside(level) for level in LEVELS)
    rows = []
    for number, agency in enumerate(agencies):
        place = "inside"
        if is_far_outside[number]:
            place = "outside 99.8%"
        elif is_outside[number]:
            place = "outside 95%"
        rows.append(
            agency
            | {"target": funnel.target, "phi": funnel.phi, "z": float(funnel.z[number])}
            | {name: float(values[number]) for name, values in limits.items()}
            | {"place": place}
        )
    return rows


def write_peers(
    extracts: Mapping[str, Path] | None = None,
    folder: Path | None = None,
    reporting: Sequence[Mapping[str, Any]] = (),
    trend: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Compare agencies; writes ``peers.json`` and ``peers.html``.

    Args:
        extracts: The folder of each agency's open extract; by default of what is published here.
        folder: Where to write; by default the state folder.
        reporting: As for `render_peers_page`.
        trend: As for `render_peers_page`.
    """
    folder = folder or paths.home()
    rows = compare_agencies(read_released(extracts))
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=2, default=str)
    write_text(folder / "peers.json", text + "\n")
    write_text(folder / "peers.html", render_peers_page(rows, reporting, trend))
    return rows


def render_peers_page(
    rows: Sequence[Mapping[str, Any]],
    reporting: Sequence[Mapping[str, Any]] = (),
    trend: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page: real agencies, then simulated ones, each with a table and, if enough, a funnel.

    Args:
        rows: As from `compare_agencies`.
        reporting: Who has sent what (`cdi.national.exchange.Received` as dictionaries); none where
            nothing was sent to this place.
        trend: A row per kind of agency and quarter: is_simulated, quarter, agency_count,
            due_count, recorded_count, rate.
    """
    kinds = []
    for is_simulated in (False, True):
        agencies = [row for row in rows if row["is_simulated"] == is_simulated]
        compared = [row for row in agencies if row["target"] is not None]
        if agencies:
            funnel = _draw_funnel(compared, is_simulated) if compared else None
            quarters = [row for row in trend if row["is_simulated"] == is_simulated]
            kinds.append(
                {
                    "is_simulated": is_simulated,
                    "rows": agencies,
                    "funnel": funnel,
                    "trend": quarters,
                }
            )
    return render(
        "peers.html.j2",
        is_simulated=bool(rows) and all(row["is_simulated"] for row in rows),
        kinds=kinds,
        reporting=reporting,
        least=LEAST_AGENCIES,
        quarters=QUARTERS,
    )


def _draw_funnel(rows: Sequence[Mapping[str, Any]], is_simulated: bool) -> "Figure":
    """The funnel: rates by effective crimes, with limits by chance."""
    # altair takes two seconds to import
    import altair as alt

    from cdi.report.charts import BLUE, FIT, GREY, PERCENT, VERMILION, WIDTH, Drawing

    values = [row["effective_count"] for row in rows]
    sizes = np.linspace(0.8 * min(values), 1.05 * max(values), 60)
    target, phi = rows[0]["target"], rows[0]["phi"]
    curves = []
    for level in LEVELS:
        low, high = Funnel(target, phi, np.zeros(0)).limits(sizes, level)
        curves += [
            {"n": n, "rate": rate, "line": f"{side} {level}", "level": f"{100 * level:g}% limits"}
            for side, line in (("low", low), ("high", high))
            for n, rate in zip(sizes.tolist(), line.tolist(), strict=True)
        ]
    points = [
        {
            "n": row["effective_count"],
            "rate": row["rate"],
            "agency": row["agency"],
            "place": "inside" if row["place"] == "inside" else "outside",
        }
        for row in rows
    ]
    x = alt.X(
        "n:Q",
        title="effective crimes",
        scale=alt.Scale(zero=False, nice=False),
        axis=alt.Axis(tickCount=4, grid=False),
    )
    y = alt.Y("rate:Q", title=None, axis=PERCENT, scale=alt.Scale(zero=False, nice=True))
    dashes = alt.Scale(domain=["95% limits", "99.8% limits"], range=[[4, 3], [1, 0]])
    limits = alt.Chart(alt.Data(values=curves)).mark_line(color=GREY)
    limits = limits.encode(
        x=x, y=y, detail="line:N", strokeDash=alt.StrokeDash("level:N", scale=dashes)
    )
    common_rate = alt.Chart(alt.Data(values=[{"rate": target}])).mark_rule(color=GREY).encode(y=y)
    places = ["inside", "outside"]
    colours = alt.Scale(domain=places, range=[BLUE, VERMILION])
    shapes = alt.Scale(domain=places, range=["circle", "triangle-down"])
    marks = alt.Chart(alt.Data(values=points)).encode(x=x, y=y)
    agencies = marks.mark_point(filled=True, size=75, opacity=1).encode(
        color=alt.Color("place:N", scale=colours), shape=alt.Shape("place:N", scale=shapes)
    )
    names = marks.transform_filter("datum.place == 'outside'")
    names = names.mark_text(align="right", dx=-8, fontSize=12).encode(text="agency:N")
    chart = alt.layer(limits, common_rate, agencies, names)
    chart = chart.properties(width=WIDTH, height=280, autosize=FIT)
    outside = sum(row["place"] != "inside" for row in rows)
    return Drawing(is_simulated=is_simulated).figure(
        chart,
        "Recording rates and what chance allows",
        f"{outside} of {len(rows)} agencies {'is' if outside == 1 else 'are'} outside the 95% "
        f"limits around {write_percent(target)}.",
        {
            "Agency": lambda row: row["agency_name"],
            "Due": lambda row: row["due_count"],
            "Effective": lambda row: f"{row['effective_count']:,.0f}",
            "Rate": lambda row: write_percent(row["rate"]),
            "95% limits": lambda row: write_range(row["low_95"], row["high_95"]),
            "99.8% limits": lambda row: write_range(row["low_998"], row["high_998"]),
            "Limits": lambda row: row["place"],
        },
        rows,
        "; ".join(
            f"{row['agency_name']} {write_percent(row['rate'])}, {row['place']} limits"
            for row in rows
        ),
    )
