{#- What people decided about links. If there are several decisions about one pair, the newest counts. -#}
with decisions as (
    select * from {{ ref('stg_decisions') }}
    where
        not is_withdrawn
        and decision_kind in ('link', 'null_link')
        and call_id is not null
        and crime_record_id is not null
),

final as (
    select
        crime_record_id,
        call_id,
        decision_kind = 'link' as is_link,
        decided_at,
        decision_reference
    from decisions
    qualify row_number() over (
        partition by crime_record_id, call_id
        order by decided_at desc, decision_reference desc
    ) = 1
)

select * from final
