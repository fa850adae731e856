"""The audit loop: a sample that is drawn once, and an estimate of the recording rate from it.

``predictions`` the frame: what the published version says of each log, and how sure it is
``design``      strata, allocation, the draw, how many logs a precision needs
``register``    what was frozen, drawn and erased; proof that it is still so
``findings``    what auditors found, checked against the draw
``estimators``  recording rates of the force and of domains, with their variances
``intervals``   limits for them, and when a figure is withheld
``rates``       all figures of one audit
``worksheets``  what auditors fill in, and its way back
``loop``        the steps that people take: plan, draw, worksheets, findings
``results``     what a build publishes of the audits, in the ``tables``
``nowcast``     recent weeks, whose records are still coming in
``monitoring``  weekly charts, funnel, districts
``weeks``       the marts of weeks: nowcast and chart
``districts``   the mart of districts
``peers``       agencies beside each other
``backtest``    proof on simulated forces that the nowcast holds
``coverage``    proof on the simulated force that the intervals hold
``rehearsal``   the whole loop on the simulated force, in two rounds
``pictures``    of docs/chief-officer.md

Formulae and their sources: docs/estimation.md. Nothing here imports Airflow or dbt.
"""
