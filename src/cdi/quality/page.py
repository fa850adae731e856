"""The validation page: what each data-quality rule found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cdi.agency.model import Agency
from cdi.files import write_text
from cdi.render import render


def write_validation_page(
    file: Path,
    agency: Agency,
    results: Sequence[dict[str, Any]],
    heading: str,
    row_counts: Sequence[dict[str, Any]],
) -> None:
    """Write the validation page.

    Args:
        file: The page to write.
        agency: The agency whose data was checked.
        results: As `cdi.quality.checks` makes them.
        heading: What was checked, e.g. ``Version 20221123T0600-0123456789``.
        row_counts: For each dataset, what became of the rows of its files.
    """
    rows = [
        {
            "released_by": None,
            **result,
            "batch_label": f"{result['dataset']} {result['batch_id']}"
            if result.get("batch_id")
            else "",
        }
        for result in results
    ]
    broken = [row for row in rows if not row["is_success"]]
    page = render(
        "validation.html.j2",
        agency=agency,
        is_simulated=agency.is_simulated,
        heading=heading,
        results=rows,
        row_counts=row_counts,
        broken=broken,
        stopping=[
            row
            for row in broken
            if not row["released_by"] and (row["severity"] == "fail" or row["error"])
        ],
    )
    write_text(file, page)
