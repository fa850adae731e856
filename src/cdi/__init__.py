"""Finds, in police data, the crimes that people reported and nobody recorded.

The library does not import Airflow: ``dags/``, ``plugins/``, the command line and the tests call
it. Its folders, the rooms, follow the flow of the data (see the README): ``agency``,
``sources``, ``landing``, ``learning``, ``audit``, ``monitoring``, ``build``, ``quality``,
``people``, ``report``, ``open_extract``, ``publish`` and ``erasure``. The rooms ``steps``,
``docs``, ``local`` and ``cli`` put these together. The modules of this folder are the ground: every
room may use them, and they use no room.
"""
