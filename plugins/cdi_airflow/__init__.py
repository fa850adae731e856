"""Airflow's side of the house: operators and notes. The work itself is in `cdi.steps`.

Listed in ``plugins/.airflowignore``, so that the plugin manager does not import it twice; DAG files
import it by name, since the plugins folder is on the path.
"""
