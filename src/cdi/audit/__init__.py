"""The audit: a sample of logs that is drawn once, and the recording rates estimated from it.

``predictions``  the frame: what the published version says of each log, and how sure it is
``design``       strata, allocation, the draw, and how many logs a precision needs
``register``     what was frozen, drawn, delivered and erased, with proof that it is unchanged
``draws``        a draw: its frozen frame and strata, its sample, and who reads which log
``findings``     what auditors found, checked against the draw
``estimators``   recording rates of the force and of domains, with their variances
``intervals``    limits for these rates, and when a figure is withheld
``rates``        all figures of one audit
``results``      what a build publishes of the audits, in the tables of ``tables``

What people do in an audit (plan, draw, hand out worksheets, take findings back) is in
`cdi.people.audit`. The formulae and their sources are in docs/estimation.md. Nothing here imports
Airflow or dbt.
"""
