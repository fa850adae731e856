"""What the text model reads in this build and has never read before."""


def model(dbt, session):
    """Read what is unread, and keep it for the next build; see cdi.text_model."""
    dbt.config(materialized="table")
    features = dbt.ref("int_disclosure__text_features")
    readings = dbt.source("landing", "text_readings")
    weights = dbt.source("landing", "text_weights").fetchall()
    if not weights:
        return readings  # none; what reads is not imported for it, that takes a second

    from pathlib import Path

    from cdi import text_model

    _, folder, kept = weights[0]
    unread = features.filter("is_unread").order("call_id")
    return text_model.read_new(unread.to_arrow_table(), Path(folder), Path(kept))
