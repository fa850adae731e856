{{ config(tags=['learning']) }}

with nearest as (
    select * from {{ ref('int_linkage__nearest') }}
),

by_key as (
    select * from {{ ref('int_linkage__canonical_key') }}
),

counted as (
    select
        count(*) filter (where nearest.call_id = by_key.call_id) as match_count,
        count(*) filter (where nearest.call_id <> by_key.call_id) as other_count
    from nearest
    inner join by_key on nearest.crime_record_id = by_key.crime_record_id
),

final as (
    select
        'prior' as comparison,
        'nearest' as level,
        match_count,
        other_count,
        log2((match_count + 1) / (other_count + 1)) as weight
    from counted
)

select * from final
