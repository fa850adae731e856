"""The recording rate week by week, nowcast and charted."""


def model(dbt, session):
    """Complete the triangle; see cdi.monitoring.weeks."""
    from cdi.monitoring.weeks import COLUMNS, weekly_rates
    from cdi.sql import relation

    dbt.config(materialized="table")
    unmet = dbt.ref("auditability").filter("not is_met").order("auditability_check")
    reasons = [reason for (reason,) in unmet.select("reason").fetchall()]
    changes = dbt.ref("recording_triangle").to_arrow_table()
    rows = weekly_rates(changes, "; ".join(reasons) or None)
    return relation(session, COLUMNS, rows)
