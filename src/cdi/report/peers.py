"""Agencies beside each other: `.venv/bin/cdi peers`, from what each has released.

Read are the open extracts (`cdi.open_extract`) and nothing else: what may leave an agency. Rates
are uncorrected, and agencies' codes and words are read with more or less success: who is outside
the funnel is to be looked at, not judged.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cdi import paths
from cdi.agency.load import agency_names
from cdi.monitoring.limits import Funnel, funnel_limits
from cdi.render import render
from cdi.sql import connect, fetch_dicts

if TYPE_CHECKING:
    from cdi.report.charts import Figure


LEAST_AGENCIES = 5  # of a funnel: of fewer no common rate and no over-dispersion can be told
LEAST_DUE = 20  # crimes of an agency whose rate is compared
QUARTERS = 4  # the newest, of each
LEVELS = (0.95, 0.998)

# of the whole agency; null if a quarter of it is withheld
RELEASED = """
with newest as (
    select *
    from quarters
    order by quarter desc
    limit $quarters
),

totals as (
    select
        newest.quarter,
        newest.design_effect,
        crimes.due_count,
        crimes.recorded_count
    from newest
    inner join crimes
        on
            newest.quarter = crimes.quarter
            and crimes.month = 'all'
            and crimes.district = 'all'
            and crimes.offence_group = 'all'
)

select
    release.agency_name,
    release.is_simulated,
    release.withheld_reason,
    min(totals.quarter) as first_quarter,
    max(totals.quarter) as last_quarter,
    cast(sum(totals.recorded_count) as bigint) as recorded_count,
    cast(sum(totals.due_count) as bigint) as due_count,
    sum(totals.due_count / totals.design_effect) as effective_count,
    count(*) filter (
        where totals.due_count is null or totals.recorded_count is null
        or totals.design_effect is null
    ) as gaps
from release
left join totals on true
group by all
"""


def read_released() -> list[dict[str, Any]]:
    """What each agency has released of itself as a whole, of its newest quarters.

    Returns:
        One row per agency that has a version: agency, agency_name, is_simulated, first_quarter,
        last_quarter, due_count, effective_count, rate; `withheld_reason` in place of figures that
        it does not show.
    """
    rows = []
    for agency in agency_names():
        file = paths.published(agency) / "current" / "open" / "open.duckdb"
        if not file.is_file():
            continue
        with connect(file, read_only=True) as con:
            (row,) = fetch_dicts(con, RELEASED, {"quarters": QUARTERS})
        recorded, gaps = row.pop("recorded_count"), row.pop("gaps")
        if row["withheld_reason"] is None:
            row["withheld_reason"] = _why_not(row, gaps)
        row["rate"] = None if row["withheld_reason"] else recorded / row["due_count"]
        if row["withheld_reason"]:
            row["due_count"] = row["effective_count"] = None
        rows.append({"agency": agency, **row})
    return rows


def _why_not(row: Mapping[str, Any], gaps: int) -> str | None:
    if row["last_quarter"] is None:
        return "no quarter is released yet"
    if gaps or row["due_count"] < LEAST_DUE:
        return f"fewer than {LEAST_DUE} crimes, or some withheld"
    return None


def compare_agencies(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put agencies into funnels, simulated ones apart from real ones.

    Args:
        found: As from `read_released`.

    Returns:
        The rows, each with `target`, `phi` (over-dispersion), `z`, limits `low_95`, `high_95`,
        `low_998`, `high_998` and `place`: inside, or outside the 95% or the 99.8% limits; None
        where there are fewer than five agencies of a kind.
    """
    rows = []
    for is_simulated in (False, True):
        of = [row for row in found if row["is_simulated"] == is_simulated]
        shown = [row for row in of if row["rate"] is not None]
        rows += [row | _BLANK for row in of if row["rate"] is None or len(shown) < LEAST_AGENCIES]
        if len(shown) >= LEAST_AGENCIES:
            rows += _funnel(shown)
    return sorted(rows, key=lambda row: row["agency"])


_BLANK = dict.fromkeys(
    ("target", "phi", "z", "low_95", "high_95", "low_998", "high_998", "place"), None
)


def _funnel(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rate, n = (np.array([row[name] for row in shown]) for name in ("rate", "effective_count"))
    made = funnel_limits(rate, n)
    limits = {
        f"{side}_{level * 1000:.0f}".removesuffix("0"): values
        for level in LEVELS
        for side, values in zip(("low", "high"), made.limits(n, level), strict=True)
    }
    outside, far = (made.is_outside(level) for level in LEVELS)
    return [
        row
        | {"target": made.target, "phi": made.phi, "z": float(made.z[at])}
        | {name: float(values[at]) for name, values in limits.items()}
        | {"place": "outside 99.8%" if far[at] else "outside 95%" if outside[at] else "inside"}
        for at, row in enumerate(shown)
    ]


def write_peers() -> list[dict[str, Any]]:
    """Compare the published agencies; to ``<state>/peers.json`` and ``<state>/peers.html``."""
    rows = compare_agencies(read_released())
    paths.home().mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=2, default=str)
    (paths.home() / "peers.json").write_text(text + "\n", encoding="utf-8")
    (paths.home() / "peers.html").write_text(render_peers_page(rows), encoding="utf-8")
    return rows


def render_peers_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The page: real agencies, then simulated ones, each with a table and, if enough, a funnel.

    Args:
        rows: As from `compare_agencies`.
    """
    kinds = []
    for is_simulated in (False, True):
        of = [row for row in rows if row["is_simulated"] == is_simulated]
        inside = [row for row in of if row["target"] is not None]
        if of:
            kinds.append(
                {"is_simulated": is_simulated, "rows": of,
                 "funnel": _drawn(inside, is_simulated) if inside else None}
            )  # fmt: skip
    return render(
        "peers.html.j2",
        is_simulated=bool(rows) and all(row["is_simulated"] for row in rows),
        kinds=kinds,
        least=LEAST_AGENCIES,
        quarters=QUARTERS,
    )


def _drawn(rows: Sequence[Mapping[str, Any]], is_simulated: bool) -> "Figure":
    """The funnel: rates by how many crimes they are worth, with limits by chance."""
    import altair as alt  # takes a second to import

    from cdi.report import charts
    from cdi.report.charts import Drawing

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
        {"n": row["effective_count"], "rate": row["rate"], "agency": row["agency"],
         "place": "inside" if row["place"] == "inside" else "outside"}
        for row in rows
    ]  # fmt: skip
    x = alt.X(
        "n:Q",
        title="crimes, as far as they are independent",
        scale=alt.Scale(zero=False, nice=False),
        axis=alt.Axis(tickCount=4, grid=False),
    )
    y = alt.Y("rate:Q", title=None, axis=charts.PERCENT, scale=alt.Scale(zero=False, nice=True))
    places = ["inside", "outside"]
    marks = alt.Chart(alt.Data(values=points)).encode(x=x, y=y)
    chart = alt.layer(
        alt.Chart(alt.Data(values=curves)).mark_line(color=charts.GREY).encode(
            x=x, y=y, detail="line:N",
            strokeDash=alt.StrokeDash("level:N", scale=alt.Scale(
                domain=["95% limits", "99.8% limits"], range=[[4, 3], [1, 0]])),
        ),
        alt.Chart(alt.Data(values=[{"rate": target}])).mark_rule(color=charts.GREY).encode(y=y),
        marks.mark_point(filled=True, size=75, opacity=1).encode(
            color=alt.Color("place:N", scale=alt.Scale(
                domain=places, range=[charts.BLUE, charts.VERMILION])),
            shape=alt.Shape("place:N", scale=alt.Scale(
                domain=places, range=["circle", "triangle-down"])),
        ),
        marks.transform_filter("datum.place == 'outside'").mark_text(
            align="right", dx=-8, fontSize=12
        ).encode(text="agency:N"),
    ).properties(width=charts.WIDTH, height=280, autosize=charts.FIT)  # fmt: skip
    outside = sum(row["place"] != "inside" for row in rows)
    return Drawing(is_simulated=is_simulated).figure(
        chart,
        "Recording rates and what chance allows",
        f"{outside} of {len(rows)} agencies are outside the 95% limits around {target:.1%}.",
        {
            "Agency": lambda row: row["agency_name"],
            "Crimes": lambda row: row["due_count"],
            "Worth": lambda row: f"{row['effective_count']:,.0f}",
            "Rate": lambda row: f"{row['rate']:.1%}",
            "95% limits": lambda row: f"{row['low_95']:.1%} to {row['high_95']:.1%}",
            "99.8% limits": lambda row: f"{row['low_998']:.1%} to {row['high_998']:.1%}",
            "Place": lambda row: row["place"],
        },
        rows,
    )
