"""The transparency record quotes figures; they are those of the page that it names."""

import re

from tests.conftest import REPO

READERS = (
    "opening code alone",
    "TF-IDF and logistic regression, same audit",
    "the same with linked records: the pipeline",
)


def test_the_readers_that_it_compares_are_those_of_the_page_that_it_names() -> None:
    """Precision / recall in logs without a record is the third column after the name."""
    measured = (REPO / "docs" / "disclosure.md").read_text(encoding="utf-8")
    rows = [re.search(rf"^\| {re.escape(name)} \|.*", measured, re.MULTILINE) for name in READERS]
    pairs = [row[0].split("|")[4].split("/") for row in rows if row]
    precisions, recalls = ([pair[side].strip() for pair in pairs] for side in (0, 1))
    record = (REPO / "docs" / "transparency-record.md").read_text(encoding="utf-8")
    code, regression, pipeline = recalls
    assert (
        f"these found {code} and {regression} of the crimes, the pipeline {pipeline}, at a "
        f"precision of {precisions[0]}, {precisions[1]} and {precisions[2]} (SIMULATED" in record
    )
