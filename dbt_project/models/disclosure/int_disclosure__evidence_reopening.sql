{#- A log that was opened again after it was closed: somebody found that something was missing. -#}
with final as (
    select
        actions.call_id,
        min(actions.acted_at) as reopened_at
    from {{ ref('stg_log_actions') }} as actions
    inner join {{ source('codes', 'entry_types') }} as types on actions.action_type = types.code
    where not actions.is_withdrawn and types.part = 'reopening'
    group by actions.call_id
)

select * from final
