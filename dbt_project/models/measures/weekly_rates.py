"""The recording rate week by week, nowcast and charted."""


def model(dbt, session):
    """Complete the triangle; see cdi.audit.weeks."""
    from cdi.audit import weeks
    from cdi.sql import relation

    dbt.config(materialized="table")
    unmet = dbt.ref("auditability").filter("not is_met").order("auditability_check")
    reasons = [reason for (reason,) in unmet.select("reason").fetchall()]
    changes = dbt.ref("recording_triangle").to_arrow_table()
    rows = weeks.table(changes, "; ".join(reasons) or None)
    return relation(session, weeks.COLUMNS, rows)
