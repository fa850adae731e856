"""What the text model reads in this build and has never read before."""


def model(dbt, session):
    """Read what is unread; cdi.learning.readings keeps it for the next build."""
    dbt.config(materialized="table")
    features = dbt.ref("int_disclosure__text_features")
    readings = dbt.source("landing", "text_readings")
    weights = dbt.source("landing", "text_weights").fetchall()
    if not weights:
        return readings  # none; what reads is not imported for it, that takes a second

    from pathlib import Path

    from cdi.learning.text import score_features

    ((_, folder),) = weights
    unread = features.filter("is_unread").order("call_id")
    return score_features(unread.to_arrow_table(), Path(folder))
