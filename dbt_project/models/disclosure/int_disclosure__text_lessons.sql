{#- What the text model learns from: the codes and words of a sample of all logs, and what auditors found in
    some. A crime record that names a log says that its words may tell of a crime, as a code does, and serves to
    learn words alone: a model that took records for the truth would learn to miss what the force missed. -#}
{{ config(tags=['learning']) }}
{% set most_logs = 300000 %}

with published as (
    select
        call_id,
        published_call_id
    from {{ ref('stg_calls') }}
    union
    select
        call_id,
        published_call_id
    from {{ ref('stg_audit_logs') }}
),

sample as (
    select contents.call_id
    from {{ ref('int_disclosure__text_contents') }} as contents
    inner join published on contents.call_id = published.call_id
    order by md5(published.published_call_id), published.published_call_id
    limit {{ most_logs }}
),

audited as (
    select
        features.*,
        labels.crimes
    from {{ ref('int_disclosure__text_features') }} as features
    inner join {{ ref('int_disclosure__audit_labels') }} as labels on features.call_id = labels.call_id
),

named_by_records as (
    select distinct call_no
    from {{ ref('stg_crime_records') }}
),

chosen as (
    select call_id from sample
    union
    select call_id from audited
),

texts as (
    {{ log_texts('chosen') }}
),

final as (
    select
        texts.call_id,
        published.published_call_id,
        texts.account_text,
        texts.closing_text,
        call_types.offence_group as opened_group,
        call_types.offence_group is not null as opened_as_crime,
        named_by_records.call_no is not null as named_by_record,
        coalesce(
            reasons.is_legitimate and reasons.reason_code not in ('NO_CRIME_BOP', 'DUPLICATE_LOG', 'ADMIN'),
            false
        ) as closed_with_reason,
        coalesce(closures.reason_code = 'NO_CRIME_BOP', false) as closed_as_no_crime,
        coalesce(closures.expects_record, false) as closed_as_recorded,
        audited.crimes,
        audited.groups_told,
        audited.signs
    from texts
    inner join published on texts.call_id = published.call_id
    inner join {{ ref('int_disclosure__logs') }} as logs on texts.call_id = logs.call_id
    left join audited on texts.call_id = audited.call_id
    left join named_by_records on texts.call_id = named_by_records.call_no
    left join {{ source('codes', 'call_types') }} as call_types on logs.initial_type_code = call_types.code
    left join {{ source('codes', 'closures') }} as closures on logs.disposition_code = closures.code
    left join {{ ref('reasons') }} as reasons on closures.reason_code = reasons.reason_code
)

select * from final
