{#- The texts of each log in two parts: what was told, and how the log was closed. It is a view, because most
    models need the numbers of the texts and not the texts themselves. -#}
{{ config(materialized='view') }}

with calls as (
    select
        call_id,
        'account' as part,
        0 as sequence_number,
        log_text_no as text_no,
        log_text_masked as text
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

log_actions as (
    select * from {{ ref('stg_log_actions') }}
),

types as (
    select * from {{ source('codes', 'entry_types') }}
),

audit_logs as (
    select * from {{ ref('stg_audit_logs') }}
),

logs as (
    select * from {{ ref('int_disclosure__logs') }}
),

actions as (
    select
        actions.call_id,
        -- If an agency does not distinguish its kinds of entries, all of them count as account.
        case when types.part = 'closing' then 'closing' else 'account' end as part,
        actions.sequence_number,
        actions.action_text_no as text_no,
        actions.action_text_masked as text
    from log_actions as actions
    left join types on actions.action_type = types.code
    where not actions.is_withdrawn and types.part is distinct from 'system'
),

audited as (
    select
        audited.call_id,
        unnest(['account', 'closing']) as part,
        0 as sequence_number,
        unnest([audited.account_text_no, audited.closing_text_no]) as text_no,
        unnest([audited.account_text_masked, audited.closing_text_masked]) as text
    from audit_logs as audited
    semi join logs
        on audited.call_id = logs.call_id and not logs.is_in_calls
),

final as (
    select * from actions
    where text is not null
    union all
    select * from calls
    where text is not null
    union all
    select * from audited
    where text is not null
)

select * from final
