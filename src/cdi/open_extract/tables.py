"""The tables of the open extract: what each one tells, how it is made, what its columns mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cdi.open_extract.blocks import AS_OF_ON, BANDS, CLASSES, MEASURES, SQL
from cdi.sql import literal, read_query

WITHHELD = "Null (in CSV an empty cell) means withheld, so that no small count can be found out."
NAMES = {
    "agency_name": "Who released it; it says SIMULATED if the force does not exist.",
    "quarter": "Calendar quarter of the report, for example 2017-Q1. The table quarters says on "
    "which day it was counted, and how long after its end.",
    "month": "Month of the report, for example 2017-01, or all.",
    "district": "Police district, or all.",
    "offence_group": "Offence group (Home Office), or all. Fraud is counted in none of them.",
    "due_count": "Crimes that should be recorded: recorded_count + missed_count.",
    "recorded_count": "How many of them were recorded.",
    "missed_count": "How many were not recorded, or recorded and cancelled against the rules.",
}


@dataclass(frozen=True)
class Table:
    """A table of the extract.

    Attributes:
        lesson: What a reader can learn from it, in plain words.
        meaning: What the table shows; its last sentence is the grain. Limits stand in it by their
            names, in braces: see `describe`.
        query: Makes the table from `counts` (all released quarters) or from the version's file.
        columns: What its columns mean, without those that `NAMES` explains.
        key: The columns that name a row.
        absence: Why it may have no row although a quarter is released, and when it will have one.
    """

    lesson: str
    meaning: str
    query: str
    columns: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = field(kw_only=True)
    absence: str = ""

    def describe(self, limits: Mapping[str, object]) -> str:
        """What the table shows, with the limits that it names.

        Args:
            limits: A number or words for each limit of rules.disclosure_limits, by name.
        """
        return self.meaning.format_map(limits)


# The first day after a quarter, from its name.
QUARTER_END = (
    "cast(make_date(cast(quarter[1:4] as integer), 3 * cast(quarter[7:] as integer) - 2, 1) "
    "+ interval 3 month as date)"
)


def _pivot_measures(*measures: str) -> str:
    """SQL that makes each measure a column; a measure that is withheld is null there."""
    return ", ".join(
        f"cast(max(value) filter (where measure = '{name}') as bigint) as {name}_count"
        for name in measures
    )


TABLES = {
    "crimes": Table(
        "How many reported crimes were recorded and how many were missed, by month, district and "
        "offence group",
        "Crimes that were reported, by any route, under a crime code and that should be recorded, "
        f"standard ruleset, with all totals within a quarter. {WITHHELD} "
        "One row per quarter, month, district and offence group.",
        f"select quarter, month, district, offence_group, {_pivot_measures(*MEASURES)} from counts "
        "where part = 'all' and measure in ('due', 'recorded', 'missed') group by all "
        "order by quarter, month, district, offence_group",
        key=("quarter", "month", "district", "offence_group"),
    ),
    "missed_crimes": Table(
        "How crimes were missed: never recorded, or recorded and then cancelled against the rules",
        f"How crimes were missed, in the whole agency. {WITHHELD} "
        "One row per quarter and offence group.",
        "select quarter, offence_group, "
        f"{_pivot_measures('missed', 'unrecorded', 'wrongly_cancelled')} from counts "
        "where part = 'all' and month = 'all' and district = 'all' "
        "and measure in ('missed', 'unrecorded', 'wrongly_cancelled') group by all order by all",
        {
            "unrecorded_count": "Past the time limit, with neither a record nor a reason for none.",
            "wrongly_cancelled_count": "Recorded, but the record was cancelled against the rules.",
        },
        key=("quarter", "offence_group"),
    ),
    "sensitive_classes": Table(
        "How much rape and domestic abuse was recorded and missed",
        "Rape (part of sexual offences) and domestic abuse (part of all groups), in the whole "
        f"agency and by quarter only. {WITHHELD} One row per quarter and class.",
        f"select quarter, part as class, {_pivot_measures(*MEASURES)} from counts "
        f"where part in ({', '.join(map(literal, CLASSES))}) "
        "and measure in ('due', 'recorded', 'missed') group by all order by all",
        {"class": "rape or domestic_abuse."},
        key=("quarter", "class"),
    ),
    "n100_incidents": Table(
        "How many reports of rape were kept as an incident instead of a crime",
        "Reports of rape kept as a reported incident (N100) instead of a crime, in the whole "
        f"agency. The table is empty if the agency keeps none. {WITHHELD} One row per quarter.",
        f"select quarter, {_pivot_measures('reports')} from counts where part = 'n100' "
        "group by all order by all",
        {"reports_count": "Reported incidents (N100) of the quarter."},
        key=("quarter",),
        absence="The agency has kept no report of rape as a reported incident.",
    ),
    "time_to_record": Table(
        "How long it took until a reported crime was recorded",
        "How long after the report the crimes were recorded that the table crimes counts as "
        "recorded, in the whole agency. Crimes recorded without a log are not among them. The "
        f"limit is 24 hours; before April 2015 it was 72 hours. {WITHHELD} One row per quarter and "
        "band.",
        f"select quarter, part as band, {_pivot_measures('recorded')} from counts "
        f"where part in ({', '.join(map(literal, BANDS))}) and measure = 'recorded' "
        f"group by quarter, part order by quarter, list_position({list(BANDS)}, part)",
        {
            "band": "Up to 24 hours, from there up to 3, 7 or 30 days, later, or unknown.",
            "recorded_count": "Recorded crimes; all bands add up to those of the quarter.",
        },
        key=("quarter", "band"),
    ),
    "rates": Table(
        "What share of reported crime was recorded, by district and by offence group",
        "Recording rates, to the whole percent. They are uncorrected: the rules that read the logs "
        "make errors, so three rulesets span a band in place of an interval. A rate is shown if it "
        "is of {smallest_denominator} crimes or more. "
        "One row per quarter, district and offence group (one of them all).",
        "select quarter, district, offence_group, "
        "max(value) filter (where part = 'strict') as strict_rate, "
        "max(value) filter (where part = 'standard') as standard_rate, "
        "max(value) filter (where part = 'inclusive') as inclusive_rate, "
        "'uncorrected indication' as status "
        "from counts where measure = 'recording_rate' group by all order by all",
        {
            "strict_rate": "Only a crime record and a closing crime code count as a report. Null: "
            "too few crimes, or withheld, also where it differs from the standard counts by few.",
            "standard_rate": "Likely evidence counts too; this is recorded_count / due_count.",
            "inclusive_rate": "Possible evidence counts too. Null: as for strict_rate.",
            "status": "No rate here is corrected by an audit; audited_rates has those.",
        },
        key=("quarter", "district", "offence_group"),
        absence="Each released quarter has too few crimes for a rate, or the agency's data are "
        "not good enough for one.",
    ),
    "audited_rates": Table(
        "What share auditors found when they read a random sample, and how sure they are",
        "Recording rates that auditors found, with their intervals; empty before an audit. A rate "
        "is left out if too few crimes were audited for it, if a small count of recorded or "
        "missed crimes could be worked out from it, or if it is of a part of the crime of which "
        "auditors read so much that it is a count rather than an estimate. "
        "One row per audit and part of the crime.",
        read_query(SQL / "audited_rates.sql"),
        {
            "draw_id": "The audit: what was drawn, the days, and which draw of them it was.",
            "starts_on": "First day of the audited period.",
            "ends_before_on": "First day after it.",
            "universe": "frame: crime-coded logs; all: all logs.",
            "is_headline": "Whether the agency's own report leads with this audit, and the page of "
            "the open extract too.",
            "domain": "force, an offence group, rape, domestic_abuse, or a district.",
            "recording_rate": "Share of the crime reported that was recorded, 0 to 1.",
            "lower_limit": "Lower end of the 95% interval.",
            "upper_limit": "Upper end of the 95% interval.",
            "effective_crimes": "Crimes of a simple random sample that would be as precise "
            "(n_eff). It is not the number of crimes that auditors read.",
        },
        key=("draw_id", "domain"),
        absence="No audit has been finished yet. The rates of an audit appear here with the first "
        "release after it.",
    ),
    "auditability": Table(
        "Whether the agency's data are good enough to give a rate",
        "Whether the agency's data are good enough for a recording rate. One row per check.",
        "select auditability_check, description as check_description, "
        "round(share, 2) as share, min_share, is_met from auditability order by all",
        {
            "auditability_check": "Stable name.",
            "check_description": "What the share is a share of.",
            "share": "The share that was found, to the whole percent.",
            "min_share": "The least share that is needed.",
            "is_met": "Whether the share is enough; if one is not, no rate is shown.",
        },
        key=("auditability_check",),
    ),
    "quarters": Table(
        "Which quarters are released, and on which day each was counted",
        "The released quarters. Each is counted once and not changed afterwards, so quarters may "
        "have been counted at different ages. One row per quarter.",
        "select quarter, any_value(as_of_on) as as_of_on, "
        f"any_value(date_diff('day', {QUARTER_END}, as_of_on)) as days_after_end, "
        "any_value(ruleset_version) as ruleset_version, "
        "any_value(smallest_count) as smallest_count, "
        "max(value) filter (where measure = 'design_effect') as design_effect "
        "from counts group by all order by all",
        {
            "as_of_on": "The day whose state of knowledge the quarter was counted in.",
            "days_after_end": "Days from the quarter's end to that day. The more there are, the "
            "more late records are counted, so compare quarters of about the same age.",
            "ruleset_version": "Version of the rulesets that counted the quarter.",
            "smallest_count": "Counts below it are withheld, 0 too except in crimes.",
            "design_effect": "Factor by which calls with several crimes raise a rate's variance.",
        },
        key=("quarter",),
    ),
    "release": Table(
        "When this release was made, and under which licence it may be used",
        "Facts of the release. One row.",
        f"select is_simulated, {AS_OF_ON} as as_of_on, licence, "
        "coalesce((select string_agg(reason, '; ' order by auditability_check) from auditability "
        "where not is_met), if(crime_records_as_of is null, 'no crime records are delivered', null)"
        ") as withheld_reason from release",
        {
            "is_simulated": "Whether the agency and all its figures are made up.",
            "as_of_on": "The day whose state of knowledge the tables without quarters show.",
            "licence": "Licence of the data.",
            "withheld_reason": "Why no rate is shown; null if rates are shown.",
        },
        key=("as_of_on",),
    ),
}
