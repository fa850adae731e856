{#- What the text model sees of each log that has text, as numbers: how its words read, what the
    lexicon found, and its codes (as text; the model makes indicators of them).
    depends_on: {{ ref('lexicon') }} -#}
-- noqa: disable=all
-- (the linter cannot render columns that come from the lexicon)
{% set subjects = [] %}
{% for row in seed_rows('lexicon', 'meaning, subject')
    if row is mapping and row.meaning != 'negates_clause' %}
    {% set subject = row.meaning ~ '_' ~ row.subject %}
    {% if subject not in subjects %}{% do subjects.append(subject) %}{% endif %}
{% endfor %}

with logs as (
    select logs.*
    from {{ ref('int_reporting__logs') }} as logs
    semi join {{ ref('int_reporting__log_entries') }} as entries on logs.call_id = entries.call_id
),

scores as (
    select * from {{ ref('int_reporting__word_scores') }}
),

hits as (
    select
        call_id,
        count(distinct subject) filter (where meaning = 'crime' and not is_explained_away) as groups_told,
        bool_or(meaning = 'crime' and strength = 'likely' and not is_explained_away) as tells_crime,
        list_distinct(list(meaning || '_' || subject)) as said
    from {{ ref('int_reporting__lexicon_hits') }}
    group by call_id
),

final as (
    select
        logs.call_id,
        logs.initial_type_code,
        logs.final_type_code,
        logs.disposition_code,
        initial_types.offence_group is not null as is_initial_crime,
        final_types.offence_group is not null as is_final_crime,
        coalesce(reasons.is_legitimate, false) as has_reason_code,
        coalesce(closures.expects_record, false) as expects_record,
        scores.* exclude (call_id),
        coalesce(hits.groups_told, 0) as groups_told,
        coalesce(hits.tells_crime, false) as tells_crime
        {%- for subject in subjects %},
        coalesce(list_contains(hits.said, '{{ subject }}'), false) as says_{{ subject | lower }}
        {%- endfor %}
    from logs
    left join scores on logs.call_id = scores.call_id
    left join hits on logs.call_id = hits.call_id
    left join {{ source('codes', 'call_types') }} as initial_types
        on logs.initial_type_code = initial_types.code
    left join {{ source('codes', 'call_types') }} as final_types on logs.final_type_code = final_types.code
    left join {{ source('codes', 'closures') }} as closures on logs.disposition_code = closures.code
    left join {{ ref('reasons') }} as reasons on closures.reason_code = reasons.reason_code
)

select * from final
