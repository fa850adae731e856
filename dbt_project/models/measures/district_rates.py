"""Districts compared, with limits that hold for the one that looks worst too."""


def model(dbt, session):
    """Estimate the districts together; see cdi.monitoring.districts."""
    from cdi.monitoring.districts import COLUMNS, district_rates
    from cdi.sql import relation

    dbt.config(materialized="table")
    unmet = dbt.ref("auditability").filter("not is_met").order("auditability_check")
    reasons = [reason for (reason,) in unmet.select("reason").fetchall()]
    counts = dbt.ref("int_outcomes__district_counts").order("universe, district")
    rows = district_rates(counts.to_arrow_table(), "; ".join(reasons) or None)
    return relation(session, COLUMNS, rows)
