"""Readers of the same logs, the pipeline last, for scorecard and benchmark.

Each says how many crimes a log tells of. `opening_code` and `tf_idf` use the plain tables of the
question alone (`READING`), as anybody's command does. The parts of the pipeline use what the
published file holds besides. None but `pipeline` is given a linked record. The two trained readers
cannot be made without an audit.

``opening_code``            one crime per log that was opened under a crime type
``tf_idf``                  logistic regression on codes and on TF-IDF of words, taught by the audit
``lexicon``                 codes and lexicon; a legitimate reason excuses a crime code
``text_model``              the text model's probabilities alone, whatever the codes say
``pipeline_without_links``  what the pipeline reads in the logs, before it looks at any record
``pipeline``                all of it, in the standard ruleset
"""

import contextlib
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from cdi.sql import read_query
from cdi_proofs.entrants import Entrant, answer_by_query

SQL = Path(__file__).parent / "sql"
NGRAMS = (1, 2)
MIN_LOGS = 2  # a word counts if it stands in so many audited logs
# Inverse strength of the regularisation of the logistic regression. It was chosen once, on seed 31,
# from which no figure is quoted.
C = 5.0
THRESHOLD = 0.5
LOGS_AT_A_TIME = 50_000
CODES = ("initial_type_code", "final_type_code", "disposition_code")
TEXTS = ("account_text", "closing_text")
AUDIT = "no audit has taught it"

JOINED_TEXTS = """
    select
        call_id,
        string_agg(entry, ' / ' order by entry_number)
            filter (where part = 'account') as account_text,
        string_agg(entry, ' / ' order by entry_number)
            filter (where part = 'closing') as closing_text
    from reading.entries
    group by call_id
"""

OPENING_CODE = """
    select logs.call_id, 1 as crimes
    from reading.logs as logs
    inner join reading.call_types as types on logs.initial_type_code = types.code
    where logs.is_asked and types.offence_group is not null
"""
# A log with a crime code tells of one crime at least, the code's own. So the first offence group
# that its text tells of adds none.
LEXICON = """
    with crime_types as (
        select code from published.codes.call_types where offence_group is not null
    ),

    reasons as (
        select reason_code from published.rules.reasons where is_legitimate
    ),

    excused as (
        select logs.call_id
        from published.disclosure.int_disclosure__logs as logs
        inner join published.codes.closures as closures on logs.disposition_code = closures.code
        where closures.reason_code in (from reasons)
        union
        select call_id
        from published.disclosure.int_disclosure__lexicon_hits
        where meaning = 'reason' and subject in (from reasons)
    ),

    told as (
        select call_id, count(distinct offence_group) as offence_groups
        from published.disclosure.int_disclosure__evidence_log_text
        where is_plain group by call_id
    )

    select
        cast(logs.call_id as varchar) as call_id,
        coalesce(told.offence_groups, 1) + coalesce(counts.further_victims, 0) as crimes
    from published.disclosure.int_disclosure__logs as logs
    left join published.disclosure.int_disclosure__text_reading as readings
        on logs.call_id = readings.call_id
    left join told on logs.call_id = told.call_id
    left join published.disclosure.int_disclosure__evidence_counts as counts
        on logs.call_id = counts.call_id
    where
        logs.is_in_calls
        and case
            when logs.initial_type_code in (from crime_types)
                or logs.final_type_code in (from crime_types)
                then coalesce(readings.lexicon_reading, 'nothing') <> 'no_crime'
                    and logs.call_id not in (from excused)
            else coalesce(readings.lexicon_reading, 'nothing') = 'crime'
        end
"""
TEXT_MODEL = """
    select
        cast(readings.call_id as varchar) as call_id,
        case when readings.second_probability >= 0.5 then 2 else 1 end as crimes
    from published.disclosure.int_disclosure__text_reading as readings
    inner join published.disclosure.int_disclosure__logs as logs
        on readings.call_id = logs.call_id
    inner join published.rules.rulesets as rulesets on rulesets.ruleset = 'standard'
    where logs.is_in_calls and readings.crime_probability >= rulesets.min_text_probability
"""
WITHOUT_LINKS = """
    select cast(crimes.call_id as varchar) as call_id, count(*) as crimes
    from published.disclosure.int_disclosure__disclosed_crimes as crimes
    inner join published.disclosure.int_disclosure__decisions as decisions
        on crimes.call_id = decisions.call_id and crimes.crime_number = decisions.crime_number
    inner join published.rules.rulesets as rulesets on rulesets.ruleset = 'standard'
    where
        decisions.verdict <> 'justified'
        and crimes.evidence_rank >= rulesets.min_evidence_rank
    group by crimes.call_id
"""
PIPELINE = """
    select cast(calls.call_no as varchar) as call_id, count(*) as crimes
    from published.main.fct_reported_crimes as crimes
    inner join published.main.fct_calls as calls on crimes.call_id = calls.call_id
    where crimes.outcome_standard <> 'justified'
    group by calls.call_no
"""


def _read_by_text_model(con: duckdb.DuckDBPyConnection) -> pa.Table | None:
    """What the text model reads, if the version was built with a trained one."""
    ((trained,),) = con.sql(
        "select count(crime_probability) from published.disclosure.int_disclosure__text_reading"
    ).fetchall()
    return con.sql(TEXT_MODEL).to_arrow_table() if trained else None


def _read_by_words(con: duckdb.DuckDBPyConnection) -> pa.Table | None:
    """Name one crime in each log that a linear model over words and codes takes for a report.

    None if no audit taught it both kinds of logs.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    con.execute("create or replace temp table texts as " + JOINED_TEXTS)
    names = [f"logs.{name}" for name in CODES] + [f"texts.{name}" for name in TEXTS]
    columns = ", ".join(f"coalesce({name}, '')" for name in names)
    logs = (
        f"select {columns}, {{}} from reading.logs as logs "
        "left join texts on logs.call_id = texts.call_id {}"
    )
    audited = con.execute(
        logs.format(
            "audited.crimes > 0",
            "inner join reading.audited as audited on logs.call_id = audited.call_id "
            "order by logs.call_id",
        )
    ).fetchall()
    is_crime = [row[-1] for row in audited]
    if len(set(is_crime)) < 2:
        return None
    codes = OneHotEncoder(handle_unknown="ignore").fit([row[: len(CODES)] for row in audited])
    words = {}
    for place in range(len(CODES), len(CODES) + len(TEXTS)):
        texts = [row[place] for row in audited]
        # After a small audit no word may stand in enough logs, and then this part tells nothing.
        with contextlib.suppress(ValueError):
            words[place] = TfidfVectorizer(ngram_range=NGRAMS, min_df=MIN_LOGS).fit(texts)

    def build_matrix(rows: list[tuple[Any, ...]]) -> csr_matrix:
        blocks = [codes.transform([row[: len(CODES)] for row in rows])]
        blocks += [
            vectorizer.transform([row[place] for row in rows])
            for place, vectorizer in words.items()
        ]
        return csr_matrix(hstack(blocks))

    model = LogisticRegression(C=C, max_iter=2000).fit(build_matrix(audited), is_crime)
    named: list[str] = []
    cursor = con.execute(logs.format("logs.call_id", "where logs.is_asked"))
    while rows := cursor.fetchmany(LOGS_AT_A_TIME):
        is_named = model.predict_proba(build_matrix(rows))[:, 1] >= THRESHOLD
        named += [row[-1] for row, is_chosen in zip(rows, is_named, strict=True) if is_chosen]
    return pa.table({"call_id": pa.array(named, pa.string()), "crimes": [1] * len(named)})


READERS = (
    Entrant("opening_code", answer_by_query(OPENING_CODE)),
    Entrant("tf_idf", _read_by_words, AUDIT),
    Entrant("lexicon", answer_by_query(LEXICON)),
    Entrant("text_model", _read_by_text_model, AUDIT),
    Entrant("pipeline_without_links", answer_by_query(WITHOUT_LINKS)),
    Entrant("pipeline", answer_by_query(PIPELINE)),
)


def ask_crimes(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of the question `READING`.

    Args:
        con: A connection to which the published file is attached as ``published``.
    """
    con.execute(read_query(SQL / "reading_question.sql"))


def count_by_incident(con: duckdb.DuckDBPyConnection, reader: Entrant) -> bool:
    """Let a reader answer, and count per incident how many crimes it names in its logs.

    The temporary table ``read_incidents`` is made: ``incidents``, and `read`.

    Args:
        con: From `compare_with_truth`, with the tables of the question.
        reader: Who answers.

    Returns:
        Whether the reader could be made.
    """
    answer = reader.answer(con)
    if answer is None:
        return False
    con.register("answer", answer)
    con.execute("""
        create or replace temp table read_incidents as
        select i.*, coalesce(sum(answer.crimes), 0) as read
        from incidents as i
        left join compared_logs as l on i.incident = l.incident
        left join answer on l.number = answer.call_id
        group by all
    """)
    con.unregister("answer")
    return True
