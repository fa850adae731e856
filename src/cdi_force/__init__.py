"""A fictional police force whose truth is known: SIMULATED is said on all that comes from it.

``scenario``    what is simulated: three files, validated
``quotas``      how many crimes of each group, and of them recorded: the published figures
``year``        the tables of one year, and what their numbers mean
``population``  draws them: crimes, incidents, which are missed; then ``closings`` and ``records``
``texts``       the phrase bank and its variants; ``narrative``: which phrases each log holds
``details``     the state at as_of, noise, failed checks
``extracts``    source-shaped files, month by month, as the force's systems would export them
``truth``       what the pipeline must find, in a folder that it never reads
``past_audit``  the findings of one audit of the year before
``posterior``   what could be told from the extracts at best
"""
