"""The registry: one folder per agency, validated with errors that name file, key and fix.

A folder holds ``agency.yaml`` (this module's models) and three code maps (CSV):
``call_types.csv``, ``closures.csv`` and ``offences.csv``.
"""
