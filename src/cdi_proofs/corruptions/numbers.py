"""What goes wrong with the numbers of logs and records."""

from cdi_proofs.corruptions.model import Table, of_rows


@of_rows()
def numbers_begin_anew(table: Table) -> None:
    """The numbers of the file before are used again."""
    place = table.place("call_reference")
    before = table.extract.table(table.extract.earlier).whole
    for row, earlier in zip(table.whole, before, strict=False):
        row[place] = earlier[place]


@of_rows("crime_records")
def record_numbers_begin_anew(table: Table) -> None:
    """The series of numbers starts again at 1."""
    place = table.place("record_reference")
    for number, row in enumerate(table.whole, 1):
        row[place] = row[place][:4] + str(number).zfill(len(row[place]) - 4)


@of_rows()
def last_digit_dropped(table: Table) -> None:
    """The column was too narrow, or the last digit was taken for a check digit."""
    table.change("call_reference", lambda text: text[:-1])


@of_rows()
def zeros_lost(table: Table) -> None:
    """A spreadsheet took the serial for a number: NMP-20170401-7."""
    table.change("call_reference", lambda text: f"{text[:-4]}{int(text[-4:])}")


@of_rows("crime_records")
def scientific_numbers(table: Table) -> None:
    """A spreadsheet took the record's number for a large one: 1.21700E+10."""
    table.change("record_reference", lambda text: f"{float(text):.5E}")


@of_rows()
def numbers_blank(table: Table) -> None:
    """The column of numbers is blank."""
    table.set("call_reference", "")


@of_rows()
def another_forces_file(table: Table) -> None:
    """The numbers are those of another force."""
    table.change("call_reference", lambda text: "XYP" + text[3:])


@of_rows("crime_records", "call_reference")
def crimes_without_their_calls(table: Table) -> None:
    """The records' column of log numbers is blank."""
    table.set("call_reference", "")
