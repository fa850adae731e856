{#- What people decided about links. If there are several decisions about one pair, the last to
    arrive counts, unless it takes back those before it. -#}
with decisions as (
    select * from {{ ref('stg_decisions') }}
    where
        not is_withdrawn
        and decision_kind in ('link', 'null_link', 'undone')
        and call_id is not null
        and crime_record_id is not null
),

newest as (
    select *
    from decisions
    qualify row_number() over (
        partition by crime_record_id, call_id
        order by arrival desc
    ) = 1
),

final as (
    select
        crime_record_id,
        call_id,
        decision_kind = 'link' as is_link,
        arrival
    from newest
    where decision_kind <> 'undone'
)

select * from final
