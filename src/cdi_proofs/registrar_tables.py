"""The figures of `cdi_proofs.registrar` as tables for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

ORDERS = {"desk": "the desk's order", "random": "random order"}
SELECTIONS = {
    "order": "came in order",
    "lot": "drawn at random",
    "sample": "below the last lot",
}


def list_tables(figures: Mapping[str, Any]) -> Iterator[Table]:
    """Make the tables.

    Args:
        figures: As from `cdi_proofs.registrar.run_registrar`.
    """
    yield _show_yield(figures)
    yield _show_labels(figures)
    yield _show_model(figures)
    yield _show_audits(figures)


def _show_yield(figures: Mapping[str, Any]) -> Table:
    table = _make_table(
        "A month of reading; means of a force, 95% limits between forces",
        *("read in", "logs", "missed found per log", "missed found", "still in time"),
        *("rape or domestic abuse", "wrongly dismissed", "wrongly confirmed"),
    )
    for order, row in figures["yield"].items():
        table.add_row(
            ORDERS[order],
            f"{row['logs']['mean']:.0f}",
            _limits(row["found_per_log"], 3),
            *(_limits(row[name], 1) for name in ("found", "found_in_time", "found_grave")),
            *(f"{row[name]['mean']:.1f}" for name in ("wrongly_dismissed", "wrongly_confirmed")),
        )
    promised = figures["promised"]
    per_log = (
        promised[name] / promised["log_count"]
        for name in ("expected_count", "lower_limit", "upper_limit", "true_count")
    )
    expected, low, high, true = (f"{value:.3f}" for value in per_log)
    table.caption = (
        f"worklist_yield expects {expected} ({low} to {high}) missed crimes per log that is read "
        f"now; truly there are {true}. Who decides rightly in 95% finds 95% of them."
    )
    return table


def _show_labels(figures: Mapping[str, Any]) -> Table:
    table = _make_table(
        f"What decisions say of the whole list, of which {figures['true_share']['mean']:.1%} "
        "truly are missed crimes",
        *("logs that", "crimes", "confirmed: points too many", "truly missed: points too many"),
    )
    for selection, row in figures["labels"].items():
        table.add_row(
            SELECTIONS[selection],
            f"{row['rows']:,}",
            _limits(row["bias_of_confirmed"], 1, "+"),
            _limits(row["bias_of_missed"], 1, "+"),
        )
    return table


def _show_model(figures: Mapping[str, Any]) -> Table:
    table = _make_table(
        "A month of which nobody decided anything: missed crimes that the text model expects",
        *("text model", "on the list: expected", "true", "Brier", "change"),
        *("other logs: expected", "true", "Brier", "change", "rate, points too high"),
    )
    for row in figures["model"]:
        cells = []
        for part in ("listed", "others"):
            of_part = row[part]
            cells += [
                f"{of_part['expected']:.0f}",
                f"{of_part['missed']:.0f}",
                f"{of_part['brier']:.4f}",
                _limits(of_part["brier_change"], 4, "+"),
            ]
        table.add_row(row["case"], *cells, _limits(row["rate_error"], 2, "+"))
    return table


def _show_audits(figures: Mapping[str, Any]) -> Table:
    table = _make_table(
        "Audits of 400 logs: how often the 95% interval holds the true rate",
        *("case", "universe", "audits", "holds", "lowest of a force", "+/-", "bias"),
    )
    for row in figures["audits"]:
        table.add_row(
            *(row["case"], row["universe"], f"{row['audits']:,}"),
            *(f"{row[name]:.1%}" for name in ("holds", "lowest")),
            f"{row['half_width']:.2f}",
            f"{row['bias']:+.2f}",
        )
    return table


def _make_table(title: str, *headings: str) -> Table:
    return Table(*headings, box=None, title=title, title_justify="left", caption_justify="left")


def _limits(figure: Mapping[str, float | None], decimals: int, sign: str = "") -> str:
    """A mean with its limits, if there are any."""
    mean, low, high = (
        None if figure[name] is None else f"{figure[name]:{sign}.{decimals}f}"
        for name in ("mean", "low", "high")
    )
    return f"{mean}" if low is None else f"{mean} ({low} to {high})"
