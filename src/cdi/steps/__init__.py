"""The steps of the flow, one function per Airflow task: one module per DAG, of the same name."""
