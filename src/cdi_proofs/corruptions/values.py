"""What goes wrong with other values: blank columns, words for nothing, coordinates, ages."""

from cdi_proofs.corruptions.model import Table, of_rows, rewrite_moment


@of_rows("calls", "district")
def column_blank(table: Table) -> None:
    """A column was not exported."""
    table.set("district", "")


@of_rows("calls", "beat")
def column_half_blank(table: Table) -> None:
    """Half of the rows have no beat."""
    table.set("beat", "", every=2)


@of_rows("calls", "beat")
def word_null(table: Table) -> None:
    """The word NULL stands where nothing is known."""
    table.set("beat", "NULL", every=5)


@of_rows("calls", "district")
def word_not_available(table: Table) -> None:
    """N/A stands in a column that no map checks."""
    table.set("district", "N/A", every=30)


@of_rows("crime_records", "call_reference")
def error_of_a_formula(table: Table) -> None:
    """A spreadsheet's look-up found nothing, and its error stands in the cell."""
    table.set("call_reference", "#N/A", every=4)


def _coordinate_columns(table: Table) -> tuple[str, str]:
    """The two columns of coordinates that the agency has: of a grid, or in degrees."""
    has_grid = "easting" in table.extract.source.columns
    return ("easting", "northing") if has_grid else ("longitude", "latitude")


@of_rows()
def coordinates_swapped(table: Table) -> None:
    """Easting and northing, or longitude and latitude, stand in each other's columns."""
    table.swap(*_coordinate_columns(table))


@of_rows()
def coordinates_of_another_projection(table: Table) -> None:
    """Coordinates are degrees where metres were agreed, or metres for degrees."""
    x, y = _coordinate_columns(table)
    is_grid = x == "easting"
    table.change(x, lambda _: "-1.54" if is_grid else "430000")
    table.change(y, lambda _: "54.1" if is_grid else "460000")


@of_rows()
def coordinates_of_nowhere(table: Table) -> None:
    """All coordinates are 0 0."""
    for column in _coordinate_columns(table):
        table.set(column, "0")


@of_rows()
def half_of_the_coordinates(table: Table) -> None:
    """In one row of four one of the two coordinates is blank."""
    table.set(_coordinate_columns(table)[1], "", every=4)


@of_rows("calls", "easting")
def thousands_separators(table: Table) -> None:
    """Numbers have thousands separators: 430,120 for 430120."""
    table.change("easting", lambda text: f"{float(text):,.0f}")


@of_rows("calls", "longitude")
def decimal_commas(table: Table) -> None:
    """Numbers have a decimal comma: 54,21 for 54.21."""
    for column in ("longitude", "latitude"):
        table.change(column, lambda text: text.replace(".", ","))


@of_rows("calls", "victim_birth_date")
def negative_ages(table: Table) -> None:
    """Victims were born in the next century: years of two digits were read as 20xx."""
    pattern = table.extract.source.columns["victim_birth_date"].format[0]

    def add_century(text: str) -> str:
        return rewrite_moment(lambda day: day.replace(year=day.year + 100, day=1), text, pattern)

    table.change("victim_birth_date", add_century)
