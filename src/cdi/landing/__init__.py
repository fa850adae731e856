"""The landing: immutable, checked batches; the truth that every build starts from (design 5.2).

``landing/<agency>/<dataset>/``
    ``batches/<id>/``  accepted: ``rows.parquet``, ``quarantine.parquet``, ``manifest.json`` and
    ``validation.json``; never changed again
    ``pending/<id>/``  extracted, and kept as it is until its check has ended
    ``checking/<id>/``  the working copy of a pending batch while its check runs; left behind if the
    check is killed
    ``refused/<id>/``  a `fail` rule of border 1 was broken; kept for the person who must look

A batch appears by one rename. Every row read is accepted, quarantined with a rule id, an exact
duplicate after column mapping, or erased (design 5.3); the manifest counts each per file. Rows of a
shared file that belong to another dataset (`rows` in agency.yaml) are counted as ``left_out``. Only
an erasure or a retention limit changes a batch later (`forget`): one file at a time, each by a
rename, the manifest last.
"""
