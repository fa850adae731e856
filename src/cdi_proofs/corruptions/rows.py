"""What goes wrong with rows: lost, delivered twice, or of another day."""

from cdi_proofs.corruptions.model import TIMES, Extract, Table, of_file, of_rows


def _remove_day(table: Table) -> None:
    """Remove the rows of the day that most rows are of."""
    day, place = table.day(), table.place(TIMES[table.extract.dataset])
    table.rows = [row for row in table.rows if len(row) <= place or row[place][:10] != day]


@of_rows()
def day_missing(table: Table) -> None:
    """All calls of one day are missing."""
    _remove_day(table)


@of_rows("crime_records", "recorded_at")
def day_of_crimes_missing(table: Table) -> None:
    """All records of one day are missing; the file keeps one row at least."""
    first = table.whole[0]
    _remove_day(table)
    table.rows = table.rows or [first]


@of_rows()
def day_twice_with_new_numbers(table: Table) -> None:
    """A day was migrated a second time, under new numbers."""
    day, place, key = table.day(), table.place("received_at"), table.place("call_reference")
    again = [list(row) for row in table.whole if row[place][:10] == day]
    for row in again:
        row[key] = row[key][:-4] + str(int(row[key][-4:]) + 5000)
    table.rows += again


@of_rows()
def block_twice(table: Table) -> None:
    """A block of rows was written twice, with the same content."""
    table.rows += table.whole[len(table.whole) // 4 : len(table.whole) // 2]


@of_rows()
def one_number_two_contents(table: Table) -> None:
    """Some logs are there twice, with different contents."""
    again = [list(row) for row in table.whole[::60]]
    for row in again:
        row[table.place("final_type_code")] = table.whole[1][table.place("final_type_code")]
        row[table.place("received_at")] = table.whole[1][table.place("received_at")]
    table.rows += again


@of_file("calls", ("csv", "jsonl"))
def the_file_before_again(extract: Extract) -> None:
    """Yesterday's content was delivered under today's name."""
    extract.write(extract.read(extract.earlier))


@of_rows("log_actions")
def entries_lost(table: Table) -> None:
    """Each third entry of the logs is missing."""
    table.rows = [row for n, row in enumerate(table.rows) if n % 3]


@of_rows("log_actions", "sequence_number")
def entries_not_counted(table: Table) -> None:
    """Each entry has the number of the first one of its log."""
    table.set("sequence_number", "1")
