"""Practices that changed from one week to the next."""


def model(dbt, session):
    """Compare the weeks; see cdi.monitoring.practices."""
    from cdi.monitoring.practices import COLUMNS, find_changes
    from cdi.sql import relation

    dbt.config(materialized="table")
    weeks = dbt.ref("practice_weeks").to_arrow_table()
    return relation(session, COLUMNS, list(find_changes(weeks)))
