"""A first look at the published file: `make notebook` opens a copy of this in the browser."""

import marimo

app = marimo.App(width="medium", app_title="Crime recording")


@app.cell
def _():
    import os
    from pathlib import Path

    import altair as alt
    import duckdb
    import marimo as mo

    # The current version is a link. Its target stays as it is while a newer version is published.
    published = Path(os.environ.get("CDI_HOME") or "var") / "published"
    folder = published / os.environ.get("AGENCY", "simulated") / "current"
    con = duckdb.connect(str(folder.resolve() / "recording.duckdb"), read_only=True)

    def ask(query):
        """Answer a query with a list of rows, each a dictionary."""
        relation = con.sql(query)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    def in_percent(share):
        """Write a share as people read it."""
        return "not shown" if share is None else f"{share:.1%}"

    return alt, ask, in_percent, mo


@app.cell
def _(ask, mo):
    # Is this real? Whatever you copy from here must say so, too.
    (release,) = ask("select agency_name, is_simulated, as_of from release")
    mark = "SIMULATED" if release["is_simulated"] else ""
    mo.callout(
        mo.md(
            f"**{release['agency_name']}**, as of {release['as_of']:%d %B %Y, %H:%M} UTC. "
            + ("This force is **SIMULATED**: nothing here is about real people." if mark else "")
        ),
        kind="warn" if mark else "info",
    )
    return mark, release


@app.cell
def _(ask, in_percent, mo):
    # What share of reported crime was recorded? A rate is a sum over a sum, never a mean of rates.
    (rate,) = ask(
        """
        select
            sum(recorded_count) as recorded_count,
            sum(due_count) as due_count,
            sum(recorded_count) / nullif(sum(due_count), 0) as standard,
            sum(strict_recorded_count) / nullif(sum(strict_due_count), 0) as strict,
            sum(inclusive_recorded_count) / nullif(sum(inclusive_due_count), 0) as inclusive,
            any_value(withheld_reason) as withheld_reason
        from bi_recording_rate
        where is_rate_in_frame
        """
    )
    ranges = ask(
        """
        select low_rate, high_rate
        from recording_range
        cross join release
        where universe = 'frame' and breakdown = 'total' and text_model_version is null
        """
    )
    why_none = rate["withheld_reason"]
    if why_none is None and ranges:
        why_none = "no audit has taught the software yet."
    elif why_none is None and not rate["due_count"]:
        why_none = "no crime was due for recording in logs with a crime code."
    mo.md(
        f"""
        ## The rate with its band

        {rate["recorded_count"]:,} of {rate["due_count"]:,} crimes that logs with a crime code
        reported were recorded: **{in_percent(rate["standard"])}**. The rules of evidence alone move
        it between {in_percent(rate["inclusive"])} and {in_percent(rate["strict"])}.
        """
        if why_none is None
        else f"## The rate with its band\n\nNo rate is shown: {why_none}"
    )
    return ranges, rate


@app.cell
def _(in_percent, mo, ranges):
    # Before a first audit, quote this range and no rate.
    mo.md(
        f"As far as the software can tell, the rate is between "
        f"**{in_percent(ranges[0]['low_rate'])}** and **{in_percent(ranges[0]['high_rate'])}**."
        if ranges
        else "An audited rate has limits: `from audited_rates` has them, if there was an audit."
    )
    return


@app.cell
def _(alt, ask, mark):
    # Where is crime recorded least often?
    districts = ask(
        """
        select
            rate_district,
            sum(due_count) as due_count,
            sum(recorded_count) / sum(due_count) as rate
        from bi_recording_rate
        where is_rate_in_frame
        group by rate_district
        having sum(due_count) > 0
        order by rate
        """
    )
    alt.Chart(
        alt.Data(values=districts), title=f"{mark} Recording rate by district", width=500
    ).mark_bar().encode(
        x=alt.X("rate:Q", axis=alt.Axis(format="%"), title="recorded of crimes due"),
        y=alt.Y("rate_district:N", sort=None, title=None),
        tooltip=[alt.Tooltip("rate:Q", format=".1%"), "due_count:Q"],
    )
    return (districts,)


@app.cell
def _(alt, ask, mark):
    # Weeks. bi_dates knows the week, the month and the performance year of each day.
    weeks = ask(
        """
        select
            strftime(dates.week_on, '%Y-%m-%d') as week_on,
            sum(crimes.crime_due_count) as due_count,
            sum(crimes.crime_recorded_count) / nullif(sum(crimes.crime_due_count), 0) as rate
        from bi_dates as dates
        inner join bi_reported_crimes as crimes
            on dates.date_on = crimes.reported_on and crimes.is_in_frame
        group by dates.week_on
        order by dates.week_on
        """
    )
    alt.Chart(
        alt.Data(values=weeks),
        title=[
            f"{mark} Recording rate by week of report",
            "The data may hold only a part of the first and the last week.",
            "Records of the newest weeks still come in.",
        ],
        width=500,
    ).mark_line(point=True).encode(
        x=alt.X("week_on:T", axis=alt.Axis(format="%-d %B"), title="week from Monday"),
        y=alt.Y("rate:Q", axis=alt.Axis(format="%"), title="recorded of crimes due"),
        tooltip=["week_on:N", alt.Tooltip("rate:Q", format=".1%"), "due_count:Q"],
    )
    return (weeks,)


@app.cell
def _(ask, mo):
    # How many missed crimes does the worklist hold, if people read it from the top?
    worklist = ask(
        """
        select reading_part, log_count, row_count, expected_count, lower_limit, upper_limit
        from worklist_yield
        order by part_place
        """
    )
    mo.vstack([mo.md("## What the worklist is expected to yield"), mo.ui.table(worklist)])
    return (worklist,)


@app.cell
def _(ask, mo):
    # A join: under which closing result are crimes lost? Fraud is left out, as in the rate. The
    # counts of the rate would leave it out too, but they are empty where the rate is withheld.
    lost = ask(
        """
        select closing_result_name, count(*) as unrecorded_count
        from bi_reported_crimes
        inner join bi_logs using (log_id)
        inner join dim_offence_groups on reported_group_name = offence_group_name
        where outcome_name = 'Suspected missed' and is_headline
        group by closing_result_name
        order by unrecorded_count desc, closing_result_name
        """
    )
    mo.vstack([mo.md("## Closing results that lose crimes, in all logs"), mo.ui.table(lost)])
    return (lost,)


@app.cell
def _(lost, mark, mo):
    # Take it with you. The name of the file says it if the data are simulated.
    import csv
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=lost[0] if lost else ["closing_result_name"])
    writer.writeheader()
    writer.writerows(lost)
    export_name = f"{mark or 'restricted'}_closing_results.csv"
    # Excel reads a file as UTF-8 only if it begins with the byte order mark ("-sig").
    content = text.getvalue().encode("utf-8-sig")
    mo.download(content, filename=export_name, label=f"Download {export_name}")
    return (export_name,)


if __name__ == "__main__":
    app.run()
