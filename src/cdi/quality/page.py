"""The validation page: what each data-quality rule found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cdi.agency.model import Agency
from cdi.render import render


def write_validation_page(
    file: Path, agency: Agency, results: Sequence[dict[str, Any]], heading: str
) -> None:
    """Write the validation page.

    Args:
        file: Where.
        agency: Whose data.
        results: Results as `cdi.quality.checks` makes them.
        heading: What was checked, e.g. ``Version 20221123T0600-0123456789``.
    """
    rows = [
        {**result, "batch_label": f"{result['dataset']} {result['batch_id']}"}
        if result.get("batch_id")
        else {**result, "batch_label": ""}
        for result in ({"released_by": None, **result} for result in results)
    ]
    broken = [r for r in rows if not r["is_success"]]
    page = render(
        "validation.html.j2",
        agency=agency,
        is_simulated=agency.is_simulated,
        heading=heading,
        results=rows,
        broken=broken,
        stopping=[
            r for r in broken if not r["released_by"] and (r["severity"] == "fail" or r["error"])
        ],
    )
    file.write_text(page, encoding="utf-8")
