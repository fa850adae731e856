"""The steps of the flow: one module for each DAG, of its name, and one function for each task."""
