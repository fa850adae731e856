{#- The features that the text model reads of a log: its words, and signs that name its codes and what the
    lexicon found. Only logs that this version of the model has not read yet are here, and the audited logs,
    from which it learns. -#}
with contents as not materialized (
    select * from {{ ref('int_disclosure__text_contents') }}
),

weights as (
    select * from {{ source('landing', 'text_weights') }}
),

readings as (
    select * from {{ source('landing', 'text_readings') }}
),

labels as (
    select * from {{ ref('int_disclosure__audit_labels') }}
),

lexicon_hits as (
    select * from {{ ref('int_disclosure__lexicon_hits') }}
),

logs as (
    select * from {{ ref('int_disclosure__logs') }}
),

call_types as not materialized (
    select * from {{ source('codes', 'call_types') }}
),

closures as (
    select * from {{ source('codes', 'closures') }}
),

reasons as (
    select * from {{ ref('reasons') }}
),

unread as (
    select min(contents.call_id) as call_id
    from contents
    semi join weights on weights.version is not null
    anti join readings
        on contents.content_hash = readings.content_hash
    group by contents.content_hash
),

chosen as (
    select
        contents.call_id,
        contents.content_hash,
        unread.call_id is not null as is_unread
    from contents
    left join unread on contents.call_id = unread.call_id
    left join labels on contents.call_id = labels.call_id
    where unread.call_id is not null or labels.call_id is not null
),

texts as (
    {{ log_texts('chosen') }}
),

hits as (
    select
        hits.call_id,
        count(distinct hits.subject) filter (where hits.meaning = 'crime' and not hits.is_explained_away)
            as groups_told,
        bool_or(hits.meaning = 'crime' and hits.strength = 'likely' and not hits.is_explained_away)
            as tells_crime,
        list_distinct(list(hits.meaning || '=' || hits.subject)) as said
    from lexicon_hits as hits
    semi join chosen on hits.call_id = chosen.call_id
    group by hits.call_id
),

final as (
    select
        chosen.call_id,
        chosen.content_hash,
        chosen.is_unread,
        texts.account_text,
        texts.closing_text,
        coalesce(hits.groups_told, 0) as groups_told,
        list_sort(list_concat(
            coalesce(hits.said, []),
            string_split(
                concat_ws(
                    '|',
                    'opened as ' || logs.initial_type_code,
                    'closed as ' || logs.final_type_code,
                    'result ' || logs.disposition_code,
                    case when initial_types.offence_group is not null then 'opened as a crime' end,
                    case when final_types.offence_group is not null then 'closed as a crime' end,
                    case when reasons.is_legitimate then 'result gives a reason' end,
                    case when closures.expects_record then 'result promises a record' end,
                    case when hits.tells_crime then 'tells a crime' end
                ),
                '|'
            )
        )) as signs
    from chosen
    inner join logs on chosen.call_id = logs.call_id
    inner join texts on chosen.call_id = texts.call_id
    left join hits on chosen.call_id = hits.call_id
    left join call_types as initial_types
        on logs.initial_type_code = initial_types.code
    left join call_types as final_types on logs.final_type_code = final_types.code
    left join closures on logs.disposition_code = closures.code
    left join reasons on closures.reason_code = reasons.reason_code
)

select * from final
