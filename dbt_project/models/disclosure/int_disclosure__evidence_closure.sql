{#- A result code that says that a crime was recorded is evidence of a reported crime, whatever the call
    types say. -#}
with final as (
    select
        calls.call_id,
        calls.disposition_code as evidence_code
    from {{ ref('int_disclosure__logs') }} as calls
    inner join {{ source('codes', 'closures') }} as closures on calls.disposition_code = closures.code
    where calls.is_in_calls and closures.expects_record
)

select * from final
