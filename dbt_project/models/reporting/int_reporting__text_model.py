"""How likely each log is to report a crime that should be recorded, learnt from audits."""


def model(dbt, session):
    """Train on the audited logs and score all; see cdi.text_model."""
    from cdi import text_model

    dbt.config(materialized="table")
    features = dbt.ref("int_reporting__text_features")
    labels = dbt.ref("int_reporting__audit_labels")
    return text_model.read_logs(features.arrow().read_all(), labels.arrow().read_all())
