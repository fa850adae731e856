"""What the text model reads in this build and has never read before."""


def model(dbt, session):
    """Read what is unread, and keep it for the next build; see cdi.learning.text."""
    dbt.config(materialized="table")
    features = dbt.ref("int_disclosure__text_features")
    readings = dbt.source("landing", "text_readings")
    weights = dbt.source("landing", "text_weights").fetchall()
    if not weights:
        return readings  # none; what reads is not imported for it, that takes a second

    from pathlib import Path

    from cdi.learning.text import score_new_features

    _, folder, kept = weights[0]
    unread = features.filter("is_unread").order("call_id")
    return score_new_features(unread.to_arrow_table(), Path(folder), Path(kept))
