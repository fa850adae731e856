{#- Further reports of a recorded crime: a record belongs to one call at most, but other calls may name it, or
    be named by it. They reported the same crime, which is counted once, under the call to which the record
    belongs. -#}
with upheld as (
    select * from {{ ref('int_linkage__upheld_references') }}
),

links as (
    select * from {{ ref('int_linkage__links') }}
),

final as (
    select
        upheld.call_id,
        upheld.crime_record_id,
        links.is_crime_record
    from upheld
    inner join links on upheld.crime_record_id = links.crime_record_id
    where upheld.call_id <> links.call_id
)

select * from final
