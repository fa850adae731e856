"""The declaration of the report's figures: one label each, one query each, nothing left over."""

import csv
from urllib.parse import unquote

import yaml

from cdi.report.contract import DECLARED, SQL, UNITS, Table

GROUPS = yaml.safe_load(DECLARED.read_text(encoding="utf-8"))


def test_no_two_figures_share_an_id_or_a_label() -> None:
    ids = [name for group in GROUPS for name in group.get("figures", {})]
    ids += [group.get("query", group.get("source")) for group in GROUPS if "table" in group]
    labels = [figure["label"] for group in GROUPS for figure in group.get("figures", {}).values()]
    labels += [group["table"] for group in GROUPS if "table" in group]
    assert len(set(ids)) == len(ids) > 80
    assert len({label.lower() for label in labels}) == len(labels)


def test_each_figure_has_a_base_a_known_unit_and_a_query_or_a_file() -> None:
    for group in GROUPS:
        assert group["base"]
        assert ("query" in group) != ("file" in group)
        assert ("table" in group) != ("figures" in group)
        for figure in group.get("figures", {}).values():
            assert {"label", "unit"} <= set(figure) <= {"label", "unit", "base"}
        assert {figure["unit"] for figure in group.get("figures", {}).values()} <= set(UNITS)


def test_the_base_says_when_a_crime_counts_as_missed_and_that_fraud_is_left_out() -> None:
    """Crimes that have a record, or need none, count before their time limit has passed, too."""
    bases = {group["query"]: group["base"] for group in GROUPS if "query" in group}
    assert bases["frame"] == (
        "crimes in crime-coded logs, fraud left out; estimate, not audited; those without a record "
        "count as missed only once their time limit has passed"
    )
    assert "fraud left out" in bases["all_calls"]


def test_the_base_of_service_says_that_logs_of_officers_are_left_out() -> None:
    bases = {group["query"]: group["base"] for group in GROUPS if "query" in group}
    assert "without those that officers raised" in bases["service"]
    assert "without those that officers raised" in bases["vulnerable"]


def test_each_query_is_declared_and_needs_no_value() -> None:
    files = {file.stem: file.read_text(encoding="utf-8") for file in SQL.glob("*.sql")}
    assert sorted(files) == sorted(group["query"] for group in GROUPS if "query" in group)
    assert not [name for name, text in files.items() if "$" in text]


def test_estimates_of_thousands_are_rounded_to_hundreds() -> None:
    assert [UNITS["rounded count"](n) for n in (10349, 10350, 1049, 999, 0)] == [
        "10,300", "10,400", "1,000", "999", "0",
    ]  # fmt: skip


def test_months_of_records_are_written_in_tenths() -> None:
    """Twelve days of records are 0.4 months; a whole number would say that there are none."""
    figures = {
        name: figure for group in GROUPS for name, figure in group.get("figures", {}).items()
    }
    for name in ("recorded_months", "estimate_months"):
        assert UNITS[figures[name]["unit"]](12 / 30.4375) == "0.4"


def test_limits_of_estimates_are_rounded_outwards() -> None:
    assert [UNITS["lower limit of count"](n) for n in (8352, 8300, 1099, 999)] == [
        "8,300", "8,300", "1,000", "999",
    ]  # fmt: skip
    assert [UNITS["upper limit of count"](n) for n in (9922, 9900, 1001, 999)] == [
        "10,000", "9,900", "1,100", "999",
    ]  # fmt: skip
    units = {
        name: figure["unit"]
        for group in GROUPS
        for name, figure in group.get("figures", {}).items()
    }
    assert units["missed_year_lower"] == "lower limit of count"
    assert units["missed_year_upper"] == "upper limit of count"


def test_a_csv_keeps_what_a_page_would_read_as_markup() -> None:
    said = 'a "b", <c> & 5%\u2013'
    rows = [{"label": said, "crimes": 3}, {"label": "=1+1", "crimes": -4}]
    link = Table("lost", "Lost", rows, {}).csv_link
    assert not set('"<>& ') & set(link)
    _, _, content = link.partition(",")
    assert content.startswith("%EF%BB%BFlabel,")  # without the mark Excel misreads the dash
    read = list(csv.DictReader(unquote(content).removeprefix("\ufeff").splitlines()))
    # no spreadsheet runs a formula
    assert read == [{"label": said, "crimes": "3"}, {"label": "'=1+1", "crimes": "-4"}]
    assert (
        ",label,crimes%0D%0ATheft"
        in Table("lost", "Lost", [rows[0] | {"label": "Theft"}], {}).csv_link
    )
