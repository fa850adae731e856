with calls as (
    select *
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

call_types as (
    select *
    from {{ source('codes', 'call_types') }}
    where offence_group is not null
),

kinds as (
    select * from {{ ref('evidence_kinds') }}
),

found as (
    select
        calls.call_id,
        'final_type' as evidence_kind,
        calls.final_type_code as evidence_code,
        call_types.offence_group,
        call_types.is_rape,
        call_types.is_domestic_abuse
    from calls
    inner join call_types on calls.final_type_code = call_types.code

    union all

    select
        calls.call_id,
        'initial_type' as evidence_kind,
        calls.initial_type_code as evidence_code,
        call_types.offence_group,
        call_types.is_rape,
        call_types.is_domestic_abuse
    from calls
    inner join call_types on calls.initial_type_code = call_types.code
),

final as (
    select
        found.*,
        kinds.evidence_strength,
        kinds.rank as evidence_rank
    from found
    inner join kinds on found.evidence_kind = kinds.evidence_kind
)

select * from final
