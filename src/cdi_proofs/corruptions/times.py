"""What goes wrong with moments: their format, their time zone, their order."""

from datetime import UTC, datetime, timedelta

from cdi_proofs.corruptions.model import Table, of_rows


@of_rows()
def day_and_month_swapped(table: Table) -> None:
    """The month stands before the day, as a server in another country writes it."""
    (pattern,) = {known.replace("%d/%m", "%m/%d") for known in table.times().values()}
    table.retime(lambda moment: moment.strftime(pattern))


@of_rows()
def year_in_two_digits(table: Table) -> None:
    """Years have two digits: 17 for 2017."""
    table.retime(lambda moment: moment.strftime("%d/%m/%y %H:%M:%S"))


@of_rows()
def iso_times(table: Table) -> None:
    """Moments stand in another format than agreed."""
    table.retime(lambda moment: moment.isoformat())


@of_rows()
def epoch_seconds(table: Table) -> None:
    """Moments are seconds since 1970."""
    table.retime(lambda moment: str(int(moment.replace(tzinfo=UTC).timestamp())))


@of_rows()
def spreadsheet_days(table: Table) -> None:
    """Moments are days since 1900, as a spreadsheet keeps them."""
    table.retime(lambda moment: f"{(moment - datetime(1899, 12, 30)) / timedelta(days=1):.5f}")


def _convert_to_utc(table: Table, columns: str = "_at") -> None:
    """Write local times as UTC, in all columns of moments or in those whose name ends so."""
    zone = table.extract.agency.zone
    table.retime(
        lambda moment: moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None), columns
    )


@of_rows()
def local_time_as_utc(table: Table) -> None:
    """Moments are UTC where local time was agreed: they are an hour off in summer."""
    _convert_to_utc(table)


@of_rows("log_actions")
def entries_in_utc(table: Table) -> None:
    """The times of the entries alone are UTC."""
    _convert_to_utc(table)


@of_rows()
def received_in_utc(table: Table) -> None:
    """The time of receipt alone is UTC; all other moments are local."""
    _convert_to_utc(table, "received_at")


@of_rows()
def time_of_day_lost(table: Table) -> None:
    """All moments are at midnight."""
    table.retime(lambda moment: moment.replace(hour=0, minute=0, second=0))


@of_rows()
def twelve_hours(table: Table) -> None:
    """Hours are those of a twelve-hour clock, without am and pm."""
    table.retime(lambda moment: moment.replace(hour=moment.hour % 12))


@of_rows()
def ten_years_on(table: Table) -> None:
    """All moments lie ten years in the future."""
    table.retime(lambda moment: moment.replace(year=moment.year + 10, day=min(moment.day, 28)))


@of_rows()
def some_in_the_future(table: Table) -> None:
    """One row in fifty was received after the file was made."""
    late = datetime(2031, 1, 1, 12).strftime(table.times()["received_at"])
    table.set("received_at", late, every=50)


@of_rows()
def default_of_1900(table: Table) -> None:
    """One row in fifty has the system's default for a lost time."""
    default = datetime(1900, 1, 1).strftime(table.times()["received_at"])
    table.set("received_at", default, every=50)


@of_rows("crime_records", "recorded_at")
def records_of_1900(table: Table) -> None:
    """All records have the system's default as their time."""
    table.retime(lambda _: datetime(1900, 1, 1), "recorded_at")


@of_rows("calls", "closed_at")
def closed_before_received(table: Table) -> None:
    """Receipt and closing stand in each other's columns."""
    table.swap("received_at", "closed_at")


@of_rows("crime_records", "reported_at", "recorded_at")
def recorded_before_reported(table: Table) -> None:
    """Report and record stand in each other's columns."""
    table.swap("reported_at", "recorded_at")
