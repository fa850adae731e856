"""What the text model reads in this build and has never read before."""


def model(dbt, session):
    """Read what is unread, and keep it for the next build; see cdi.text_model."""
    from pathlib import Path

    from cdi import text_model

    dbt.config(materialized="table")
    unread = dbt.ref("int_reporting__text_features").filter("is_unread").order("call_id")
    weights = dbt.source("landing", "text_weights").fetchall()
    if not weights:
        return text_model.READINGS.empty_table()
    _, folder, kept = weights[0]
    return text_model.read_new(unread.to_arrow_table(), Path(folder), Path(kept))
