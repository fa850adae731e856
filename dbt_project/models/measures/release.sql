with settings as (
    select * from {{ source('landing', 'settings') }}
),

rulesets as (
    select * from {{ ref('rulesets') }}
),

all_lexicon as (
    select * from {{ ref('lexicon') }}
),

lexicon_terms as (
    select * from {{ ref('lexicon_terms') }}
),

all_text_model as (
    select * from {{ ref('int_disclosure__text_model') }}
),

versions as (
    select any_value(ruleset_version) as ruleset_version from rulesets
),

-- A hash over all phrases and terms, so that a changed lexicon cannot keep its old version.
lexicon as (
    select left(md5(string_agg(entry, '' order by entry)), 10) as lexicon_version
    from (
        select
            concat_ws(
                '|', phrase_id, part, meaning, subject, is_rape, strength, replaces, counting_class, pattern
            ) as entry
        from all_lexicon
        union all
        select concat_ws('|', term, words) as entry from lexicon_terms
    ) as entries
),

text_model as (
    select any_value(model_version) as text_model_version
    from all_text_model
)

select
    settings.agency,
    settings.agency_name,
    settings.is_simulated,
    settings.calls as calls_coverage,
    settings.timezone,
    settings.as_of,
    settings.calls_as_of,
    settings.crime_records_as_of,
    settings.licence,
    versions.ruleset_version,
    lexicon.lexicon_version,
    text_model.text_model_version
from settings
cross join versions
cross join lexicon
cross join text_model
