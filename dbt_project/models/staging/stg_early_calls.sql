{#- The calls that can be asked what the worklist said of them twelve hours after they came in: those that
    were landed by then as they are read today. If a code or a text has changed since, nobody knows what was
    read in the log then, and it is left out. Few rows are landed so early, so they are chosen before they are
    compared. -#}
{% set hours = 12 %}
{% set read_columns = 'initial_type_code, final_type_code, disposition_code, qualifiers, log_text_no' %}

with landed_calls as (
    select
        {{ identity_number('call') }} as call_id,
        source_as_of,
        hash({{ read_columns }}) as content_hash
    from {{ source('landing', 'calls') }}
    where source_as_of <= received_at + interval {{ hours }} hour
),

calls as (
    select
        call_id,
        received_at,
        received_at + interval {{ hours }} hour as looked_at,
        hash({{ read_columns }}) as content_hash
    from {{ ref('stg_calls') }}
    where not is_withdrawn
),

landed_actions as (
    select
        {{ identity_number('call') }} as call_id,
        sequence_number,
        hash(action_type, action_text_no) as content_hash,
        source_as_of
    from {{ source('landing', 'log_actions') }}
),

actions as (
    select
        call_id,
        sequence_number,
        action_type,
        hash(action_type, action_text_no) as content_hash
    from {{ ref('stg_log_actions') }}
    where not is_withdrawn and action_text_no is not null
),

types as (
    select * from {{ source('codes', 'entry_types') }}
),

early as (
    select
        calls.call_id,
        any_value(calls.received_at) as received_at,
        any_value(calls.looked_at) as looked_at,
        min(landed_calls.source_as_of) as seen_as_of
    from landed_calls
    inner join calls
        on
            landed_calls.call_id = calls.call_id
            and landed_calls.content_hash = calls.content_hash
            and landed_calls.source_as_of <= calls.looked_at
    group by calls.call_id
),

-- entries that are read and came later
late as (
    select distinct actions.call_id
    from actions
    inner join early on actions.call_id = early.call_id
    left join types on actions.action_type = types.code
    anti join landed_actions
        on
            actions.call_id = landed_actions.call_id
            and actions.sequence_number = landed_actions.sequence_number
            and actions.content_hash = landed_actions.content_hash
            and early.looked_at >= landed_actions.source_as_of
    where types.part is distinct from 'system'
),

final as (
    select early.*
    from early
    anti join late on early.call_id = late.call_id
)

select * from final
