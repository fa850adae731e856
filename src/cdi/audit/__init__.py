"""The audit loop: a sample that is drawn once, and an estimate of the recording rate from it.

``design``      freezes the frame and the predictions, plans and draws the sample, keeps the register
``predictions`` what the published version says of each log, and how sure it is
``estimators``  recording rates of the force and of domains, with their variances
``intervals``   limits for them, and when a figure is withheld
``nowcast``     recent weeks, whose records are still coming in
``monitoring``  weekly charts, funnel, districts
``coverage``    proof on the simulated force that the intervals hold

Formulae and their sources: docs/estimation.md. Nothing here imports Airflow or dbt.
"""
