{#- When each crime record was first there: the first landed state that has it. -#}
with landed as (
    select
        {{ identity_number('record') }} as crime_record_id,
        source_as_of
    from {{ source('landing', 'crime_records') }}
),

final as (
    select
        crime_record_id,
        min(source_as_of) as first_as_of
    from landed
    group by crime_record_id
)

select * from final
