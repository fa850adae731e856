"""On one machine: run an agency through a local Airflow, open its UI, open an SQL prompt."""
