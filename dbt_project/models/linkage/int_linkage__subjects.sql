{#- The records for which the blocks look for a call: the leftover records, whose call no reference proves.
    While weights are learnt, a sample of the proven records is added, because their call is known; records
    whose log names them come first. For every second record of the sample the reference is hidden, because
    most leftover records have none. -#}
{% set sample_size = 20000 %}

with records as not materialized (
    select * from {{ ref('int_linkage__records') }}
),

proven as not materialized (
    select * from {{ ref('int_linkage__proven') }}
),

staged as (
    select * from {{ ref('stg_crime_records') }}
),

leftover as (
    select
        records.*,
        cast(null as ubigint) as proven_call_id,
        records.call_no is not null as is_reference_seen
    from records
    anti join proven on records.crime_record_id = proven.crime_record_id
    -- Where calls and records share one series of numbers and no call has this number, the call was not
    -- delivered.
    where records.call_no is distinct from records.crime_record_id
),

sampled as (
    select
        records.*,
        proven.call_id as proven_call_id,
        records.call_no is not null
        and (proven.is_mutual or proven.link_rung = 'written_back')
        and records.crime_record_id % 2 = 0 as is_reference_seen
    from records
    inner join proven on records.crime_record_id = proven.crime_record_id
    inner join staged on records.crime_record_id = staged.crime_record_id
    order by proven.is_mutual or proven.link_rung = 'written_back' desc, md5(staged.published_record_id)
    limit {{ sample_size if var('is_learning', false) else 0 }}
),

final as (
    select * from leftover
    union all
    select * from sampled
)

select * from final
