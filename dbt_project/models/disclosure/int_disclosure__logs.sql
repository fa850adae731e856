{#- What is known of each log besides its text. Audited logs that are not among the calls are included,
    because the text model learns from them. -#}
with calls as not materialized (
    select
        call_id,
        true as is_in_calls,
        received_at,
        initial_type_code,
        final_type_code,
        disposition_code,
        qualifiers
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

audit_logs as not materialized (
    select * from {{ ref('stg_audit_logs') }}
),

-- Few logs are audited, so the calls are probed with them and not kept in memory.
known as (
    select calls.call_id
    from calls
    semi join audit_logs as audited on calls.call_id = audited.call_id
),

audited as (
    select
        audited.call_id,
        false as is_in_calls,
        audited.received_at,
        audited.initial_type_code,
        audited.final_type_code,
        audited.disposition_code,
        audited.qualifiers
    from audit_logs as audited
    anti join known on audited.call_id = known.call_id
    where not audited.is_withdrawn
),

final as (
    select * from calls
    union all
    select * from audited
)

select * from final
