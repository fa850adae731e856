{#- All evidence in a call that a crime was reported. Each kind of evidence has a model of its own. -#}
with found as (
    select
        call_id,
        'final_type' as evidence_kind,
        evidence_code,
        offence_group,
        is_rape,
        is_domestic_abuse
    from {{ ref('int_disclosure__evidence_final_type') }}

    union all by name

    select
        call_id,
        'initial_type' as evidence_kind,
        evidence_code,
        offence_group,
        is_rape,
        is_domestic_abuse
    from {{ ref('int_disclosure__evidence_initial_type') }}

    union all by name

    select
        call_id,
        'closure' as evidence_kind,
        evidence_code
    from {{ ref('int_disclosure__evidence_closure') }}

    union all by name

    select
        call_id,
        case when text_reading = 'crime' and is_plain then 'log_text' else 'log_text_hint' end
            as evidence_kind,
        lexicon_id as evidence_code,
        offence_group,
        counting_class,
        is_rape
    from {{ ref('int_disclosure__evidence_log_text') }}
    -- An account that explains itself away is no hint either, unless the text model reads a crime in it.
    where text_reading = 'crime' or lexicon_reading <> 'no_crime'

    union all by name

    select
        call_id,
        case when text_reading = 'crime' then 'text_model' else 'text_model_hint' end as evidence_kind,
        model_version as evidence_code,
        offence_group
    from {{ ref('int_disclosure__evidence_text_model') }}

    union all by name

    select
        call_id,
        'qualifier' as evidence_kind,
        qualifier as evidence_code,
        is_domestic_abuse
    from {{ ref('int_disclosure__evidence_qualifiers') }}

    union all by name

    select
        call_id,
        'domestic_incident' as evidence_kind,
        evidence_code,
        true as is_domestic_abuse
    from {{ ref('int_disclosure__evidence_domestic_incident') }}

    union all by name

    select
        call_id,
        'partner' as evidence_kind,
        lexicon_id as evidence_code,
        true as is_domestic_abuse
    from {{ ref('int_disclosure__evidence_partner') }}

    union all by name

    select
        call_id,
        'reopening' as evidence_kind,
        strftime(reopened_at, '%Y-%m-%dT%H:%M') as evidence_code
    from {{ ref('int_disclosure__evidence_reopening') }}
),

final as (
    select
        found.call_id,
        found.evidence_kind,
        found.evidence_code,
        found.offence_group,
        nullif(found.counting_class, '') as counting_class,
        coalesce(found.is_rape, false) as is_rape,
        coalesce(found.is_domestic_abuse, false) as is_domestic_abuse,
        kinds.evidence_strength,
        kinds.rank as evidence_rank
    from found
    inner join {{ ref('evidence_kinds') }} as kinds on found.evidence_kind = kinds.evidence_kind
    -- Audited logs of other years are read for the text model only.
    semi join (
        select call_id
        from {{ ref('int_disclosure__logs') }}
        where is_in_calls
    ) as calls on found.call_id = calls.call_id
)

select * from final
