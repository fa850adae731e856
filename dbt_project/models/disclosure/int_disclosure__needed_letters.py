"""Letters of which a text has some if an entry of the lexicon is found in it."""


def model(dbt, session):
    """Work them out from the patterns; see cdi.learning.needed_letters."""
    from cdi.learning.needed_letters import COLUMNS, list_needed_letters
    from cdi.sql import relation

    dbt.config(materialized="table")
    read = dbt.ref("lexicon").filter("meaning <> 'negates_clause'")
    phrases = read.select("lexicon_id, part, pattern").fetchall()
    terms = dbt.ref("lexicon_terms").select("term, words").fetchall()
    return relation(session, COLUMNS, list_needed_letters(phrases, terms))
