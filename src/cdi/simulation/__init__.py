"""A fictional police force whose truth is known: SIMULATED is said on all that comes from it.

``scenario``    what is simulated: three files, validated
``population``  one year of it as numbers: crimes, logs, records, and what became of each
``texts``       the phrase bank, its variants, and which phrase each log holds
``extracts``    source-shaped files, month by month, as the force's systems would export them
``truth``       what the pipeline must find, in a folder that it never reads
``audit``       the findings of one audit of the year before
``posterior``   what could be told from the extracts at best
``scorecard``   the pipeline's result against the truth
``calibration`` the simulated figures against the published ones
"""
