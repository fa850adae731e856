"""Finds, in police data, the crimes that people reported and nobody recorded.

The library knows nothing of Airflow: ``dags/`` and ``plugins/`` call it, and so do the command
line and the tests. Modules follow the flow: ``agencies`` -> ``sources`` -> ``landing`` ->
``quality`` -> ``build`` -> ``quality`` -> ``report`` -> ``publish``.
"""
