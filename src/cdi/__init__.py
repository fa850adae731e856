"""Finds, in police data, the crimes that people reported and nobody recorded.

The library does not import Airflow: ``dags/``, ``plugins/``, the command line and the tests call
it. Its folders, the rooms, follow the flow of the data (see the README): ``agency``,
``sources``, ``landing``, ``learning``, ``audit``, ``monitoring``, ``build``, ``quality``,
``people``, ``report``, ``open_extract``, ``publish`` and ``erasure``. The rooms ``steps``,
``docs``, ``local`` and ``cli`` put these together. The modules of this folder are the ground: every
room may use them, and they use no room.
"""

import os

# Linear algebra takes one thread. The matrices here are small: with more threads most of the time
# goes into waiting for each other, on a busy machine nine tenths of it. And another number of
# threads adds numbers up in another order, so the same data would not give the same last digit on
# each machine. OpenBLAS reads this when numpy and scipy are imported, so it is set before them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
