{#- Logs under a code that says domestic abuse and names no crime. A crime code says domestic abuse by
    itself. -#}
with final as (
    select
        calls.call_id,
        min(call_types.code) as evidence_code
    from {{ ref('int_disclosure__logs') }} as calls
    inner join {{ source('codes', 'call_types') }} as call_types
        on call_types.code in (calls.initial_type_code, calls.final_type_code)
    where calls.is_in_calls and call_types.is_domestic_abuse and call_types.offence_group is null
    group by calls.call_id
)

select * from final
