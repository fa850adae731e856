"""The charts of the report: each has its finding as title, and below it what is plotted.

A title holds no number: numbers are in the text, where each has its id, and in the tables.
"""

from typing import Any

from cdi.report.charts import Drawing, Figure
from cdi.report.contract import Contract, Row
from cdi.shares import write_percent, write_range

OTHERS = "other forces"
CUT = "; mind where the axis begins"


class Findings:
    """Draws the charts of a report from its figures."""

    def __init__(self, drawing: Drawing, contract: Contract) -> None:
        """Draw on a page.

        Args:
            drawing: Of the page.
            contract: The figures of the page.
        """
        self._drawing = drawing
        self._contract = contract
        self._values = contract.values

    def draw_all(self) -> dict[str, Figure | None]:
        """All charts by the name of their figure; None if there is nothing to draw."""
        draws = {
            "history": self._draw_history,
            "groups": self._draw_groups,
            "lost": self._draw_losses,
            "causes": self._draw_causes,
            "weeks": self._draw_weeks,
            "districts": self._draw_districts,
            "service": self._draw_service,
        }
        figures: dict[str, Figure | None] = {}
        for name, draw in draws.items():
            table = self._contract.table(name)
            figures[name] = table and draw(list(table.rows))._replace(table=table)
        return figures

    def _draw_history(self, rows: list[Row]) -> Figure:
        """The own audits one below the other, and what inspectors published of other forces."""
        others = [
            row | {"label": f"{row['force']} {row['year']}", "kind": OTHERS} | _limits(row)
            for row in self._contract.rows("published_rates")
            if row["offence_group"] == "all"
        ]
        caption = "Audited recording rate of all crime, with 95% confidence intervals"
        if others:
            caption += "; other forces for scale, as inspectors published them"
        own = [row | {"kind": "this agency"} for row in rows]
        columns = {"Logs of": RATES["Crime"]} | {
            title: value for title, value in RATES.items() if title != "Crime"
        }
        title = self._say_change()
        return self._drawing.intervals(own, title, caption + CUT, columns, others=others)

    def _say_change(self) -> str:
        low, high = self._values["change_lower"], self._values["change_upper"]
        if low is None:
            return "There is no earlier audit of other days that gives a rate"
        if low <= 0 <= high:
            return "Chance explains the change since the last audit"
        return f"The rate is {'better' if low > 0 else 'worse'} than at the last audit"

    def _draw_groups(self, rows: list[Row]) -> Figure:
        """The own rates of offence groups beside the published ones of other forces."""
        labels = {row["domain"]: row["label"] for row in rows}
        compared = [
            row
            | {"label": labels[domain], "kind": f"{row['force']} {row['year']}", "crimes": None}
            | _limits(row)
            for row in self._contract.rows("published_rates")
            if (domain := row["offence_group"].replace("all", "force")) in labels
        ]
        kinds = {
            "audited": "with 95% confidence intervals",
            "as the software reads it": "as the software reads it",
            "range before an audit": "somewhere on each bar, as far as software can say",
        }
        caption = f"Share of reported crimes that were recorded, {kinds[rows[0]['kind']]}"
        values = self._values
        title = "Before an audit, the rates of offence groups are known only as ranges"
        if rows[0]["rate"] is not None:
            title = "There are too few crimes to compare offence groups"
        if values["worst_rate"] is not None:
            title = (
                "Of the rates that are known well enough, the lowest is for "
                f"{values['worst_label']} and the highest for {values['best_label']}"
            )
        own = [row | {"kind": "this agency"} for row in rows]
        return self._drawing.intervals(own, title, caption + CUT, RATES, others=compared)

    def _draw_losses(self, rows: list[Row]) -> Figure:
        """From reported crime to crime records: what leaves at each stage."""
        lost = [row for row in rows if row["kind"] == "lost"]
        title = "No crime that should be recorded was lost"
        if lost:
            most = max(lost, key=lambda row: int(row["crimes"]))["label"]
            how, _, code = most.partition("Closed: ")
            title = f"More crimes are lost here than elsewhere: {how.lower()}"
            if code:
                title = (
                    f"More crimes are lost where the log was closed as “{code}” "
                    "than under any other result"
                )
        caption = "Crimes in crime-coded logs, from report to record"
        return self._drawing.waterfall(rows, title, caption)

    def _draw_causes(self, rows: list[Row]) -> Figure:
        """Why the crimes were missed that people confirmed."""
        columns = {
            "Cause": lambda row: row["label"],
            "Confirmed": lambda row: row["crimes"],
            "Recorded since": lambda row: row["recorded_since"],
            "What it means": lambda row: row["meaning"],
        }
        title = f"The most frequent cause: {rows[0]['label'][0].lower()}{rows[0]['label'][1:]}"
        caption = "Crimes on the worklist that people confirmed as missed, by cause"
        return self._drawing.bars(rows, title, caption, columns)

    def _draw_weeks(self, rows: list[Row]) -> Figure:
        """The rate by week, and which weeks chance does not explain."""
        if any(row["is_signal"] for row in rows):
            title = "Some weeks differ by more than chance explains"
        elif any(row["chart_low"] is not None for row in rows):
            title = "No week stands out: chance alone explains the ups and downs"
        else:
            title = "There are too few complete weeks to say what chance explains"
        waiting = [row for row in rows if not row["is_mature"]]
        caption = "Recording rate by week of report; the band is what chance alone explains"
        if waiting and all(row["nowcast_rate"] is not None for row in waiting):
            caption += "; squares are what is expected once all records are in, with 90% limits"
        elif waiting:
            caption += "; squares will still rise, as records come in"
        return self._drawing.trend(rows, title, caption + CUT)

    def _draw_districts(self, rows: list[Row]) -> Figure:
        """The districts, and those that differ from the others by more than chance."""
        apart = [f"{row['district']} is {row['compared']} the others" for row in rows
                 if row["compared"] != "alike"]  # fmt: skip
        title = "; ".join(apart) or "No district differs from the others by more than chance"
        columns = {
            "District": lambda row: row["district"],
            "Due": lambda row: row["due_count"],
            "Recorded": lambda row: row["recorded_count"],
            "Rate": lambda row: write_percent(row["recording_rate"]),
            "Drawn towards the whole": lambda row: write_percent(row["estimated_rate"]),
            "95% limits": lambda row: write_range(row["estimated_low"], row["estimated_high"]),
            "Compared with the whole": lambda row: row["compared"],
        }
        caption = (
            "Recording rate by district, the largest first; the dashed line is the whole agency"
        )
        line = ("the whole agency", rows[0]["common_rate"])
        # Only the chart calls the estimate the rate. In the figures that is the plain rate.
        drawn = [
            row
            | {
                "label": row["district"],
                "rate": row["estimated_rate"],
                "low": row["estimated_low"],
                "high": row["estimated_high"],
                "kind": "district",
            }
            for row in rows
        ]
        return self._drawing.intervals(drawn, title, caption + CUT, columns, line)

    def _draw_service(self, rows: list[Row]) -> Figure:
        """Whether officers came to vulnerable victims, by what became of their crime."""
        columns = {
            "Caller": lambda row: row["label"],
            "Crime": lambda row: row["kind"],
            "Logs": lambda row: row["call_count"],
            "Attended": lambda row: row["attended_count"],
            "Share": lambda row: write_percent(row["rate"]),
            "Median minutes": lambda row: row["median_minutes"] and f"{row['median_minutes']:.0f}",
        }
        lost = self._values["vulnerable_unrecorded_attended"]
        kept = self._values["vulnerable_recorded_attended"]
        title = "Did an officer come?"
        if lost is not None and kept is not None:
            less = "less often" if lost < kept else "no less often"
            title = f"Officers came {less} to vulnerable people with a suspected missed crime"
        caption = f"Share of logs about a crime, by what became of the crime{CUT}"
        axis = "Share of logs where an officer came"
        return self._drawing.intervals(rows, title, caption, columns, axis_title=axis)


def _limits(row: Row) -> dict[str, Any]:
    """A published rate with the limits of its interval, if they were published."""
    rate, half_width = row["recording_rate"], row["half_width_points"]
    if half_width is None:
        return {"rate": rate, "low": None, "high": None}
    return {"rate": rate, "low": rate - half_width / 100, "high": rate + half_width / 100}


RATES = {
    "Crime": lambda row: row["label"],
    "Rate of": lambda row: row["kind"],
    "Crimes": lambda row: row.get("crimes", row.get("audited_crimes")),
    "Rate": lambda row: None if row["rate"] is None else write_percent(row["rate"]),
    "Limits": lambda row: None if row.get("low") is None else write_range(row["low"], row["high"]),
}
