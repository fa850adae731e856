with final as (
    select
        calls.call_id,
        calls.final_type_code as evidence_code,
        call_types.offence_group,
        call_types.is_rape,
        call_types.is_domestic_abuse
    from {{ ref('int_disclosure__logs') }} as calls
    inner join {{ source('codes', 'call_types') }} as call_types on calls.final_type_code = call_types.code
    where calls.is_in_calls and call_types.offence_group is not null
)

select * from final
