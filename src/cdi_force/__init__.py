"""A fictional police force whose truth is known. All that comes from it says SIMULATED.

The modules, in the order of the work:

``scenario``    what is simulated: three validated files
``quotas``      how many crimes of each group there are and how many are recorded (published);
                ``feasibility`` refuses what contradicts itself
``year``        the tables of one year, and what their numbers mean
``population``  draws them: crimes, incidents, which crimes are missed; ``closings`` and
                ``records`` carry on
``texts``       the phrase bank and its variants; ``narrative`` chooses the phrases of each log
``details``     the state at as_of, noise, and cancellations that break a rule
``extracts``    files by month, as the force's systems would export them: ``columns`` has what
                they share, ``call_extract`` and ``crime_extract`` one system each
``truth``       what the pipeline must find, in a folder that the pipeline never reads
``past_audit``  the findings of one audit of the year before
``posterior``   what the best possible reader could tell from the extracts
"""
