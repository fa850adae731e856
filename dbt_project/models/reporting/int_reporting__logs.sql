{#- What is read of each log: its codes and its text in two parts, what was told and how it was closed.
    Audited logs that are not among the calls are read too: the text model learns from them. -#}
with actions as (
    select
        actions.call_id,
        actions.sequence_number,
        actions.action_text_masked,
        -- an agency that does not tell its entries apart has them all read as account
        coalesce(types.part, 'account') as part
    from {{ ref('stg_log_actions') }} as actions
    left join {{ source('codes', 'entry_types') }} as types on actions.action_type = types.code
    where not actions.is_withdrawn
),

entries as (
    select
        call_id,
        string_agg(action_text_masked, ' / ' order by sequence_number)
        filter (where part in ('account', 'reopening')) as account_text,
        string_agg(action_text_masked, ' / ' order by sequence_number)
        filter (where part = 'closing') as closing_text
    from actions
    where part <> 'system'
    group by call_id
),

calls as (
    select
        calls.call_id,
        true as is_in_calls,
        calls.received_at,
        calls.initial_type_code,
        calls.final_type_code,
        calls.disposition_code,
        calls.qualifiers,
        lower(concat_ws(' / ', calls.log_text_masked, entries.account_text)) as account_text,
        lower(coalesce(entries.closing_text, '')) as closing_text
    from {{ ref('stg_calls') }} as calls
    left join entries on calls.call_id = entries.call_id
    where not calls.is_withdrawn
),

audited as (
    select
        audited.call_id,
        false as is_in_calls,
        audited.received_at,
        audited.initial_type_code,
        audited.final_type_code,
        audited.disposition_code,
        audited.qualifiers,
        lower(coalesce(audited.account_text_masked, '')) as account_text,
        lower(coalesce(audited.closing_text_masked, '')) as closing_text
    from {{ ref('stg_audit_logs') }} as audited
    anti join calls on audited.call_id = calls.call_id
    where not audited.is_withdrawn
),

final as (
    select * from calls
    union all
    select * from audited
)

select * from final
