"""What goes wrong with codes."""

from cdi_proofs.corruptions.model import Table, of_rows


@of_rows()
def unknown_codes(table: Table) -> None:
    """There is a new list of codes: one row in ten has a code that nobody mapped."""
    table.set("final_type_code", "ZZ99", every=10)


@of_rows("calls", "disposition_code")
def unknown_results(table: Table) -> None:
    """One row in ten was closed by a result that nobody mapped."""
    table.set("disposition_code", "NOT RMS 9", every=10)


@of_rows()
def all_one_code(table: Table) -> None:
    """All rows have one code: the default of a drop-down list."""
    table.set("final_type_code", table.whole[0][table.place("final_type_code")])


@of_rows("calls", "district")
def all_one_district(table: Table) -> None:
    """All rows have one value, a drop-down list's default, in a column that no map checks."""
    table.set("district", table.whole[0][table.place("district")])


@of_rows()
def codes_in_lower_case(table: Table) -> None:
    """Codes stand in lower case, as another system writes them."""
    table.change("final_type_code", str.lower)


@of_rows("calls", "source_channel")
def channels_in_another_case(table: Table) -> None:
    """`Officer` stands for `OFFICER`, so the flag that is made of it is lost."""
    table.change("source_channel", str.title)


@of_rows()
def codes_padded(table: Table) -> None:
    """Codes have blanks on both sides, as in columns of fixed width."""
    for name in ("final_type_code", "disposition_code", "district"):
        table.change(name, lambda text: f"  {text}   ")


@of_rows()
def codes_padded_with_hard_spaces(table: Table) -> None:
    """Codes have no-break spaces (U+00A0) on both sides, which look like blanks."""
    table.change("final_type_code", lambda text: f"\xa0{text}\xa0")


@of_rows("crime_records")
def offences_as_dates(table: Table) -> None:
    """A spreadsheet took 008/06 for a date."""
    table.change("offence_code", lambda text: f"{text[1:3]}-{text[-2:]}")


@of_rows("crime_records", "cancelled_at")
def cancellations_without_times(table: Table) -> None:
    """The column with the times of cancellation is blank."""
    table.set("cancelled_at", "")
