"""The landing: checked batches that never change; every build starts from them (design 5.2).

``landing/<agency>/<dataset>/``
    ``batches/<id>/``  accepted: ``rows.parquet``, ``quarantine.parquet``, ``manifest.json`` and
    ``validation.json``
    ``pending/<id>/``  extracted, and kept unchanged until the check has ended
    ``checking/<id>/``  working copy of a pending batch while its check runs; left behind if the
    check is killed
    ``refused/<id>/``  broke a `fail` rule of border 1; kept for the person who looks into it, until
    the source has given a good answer (`cdi.steps.extract`)

A batch appears in its folder by one rename, never piece by piece. Every row of a source file has
one fate: accepted, quarantined with a rule id, an exact duplicate (after column mapping), or erased
(design 5.3); the manifest counts them for each file. Where one file holds rows of several datasets
(`rows` in agency.yaml), the rows of the others are counted as ``left_out``. Only an erasure or a
retention limit changes an accepted batch (`forget`); it replaces each file by a rename, the
manifest last.
"""
