{#- Further callers: logs that tell of a crime of the same offence group as another log of the same place
    within the hour before (single incident rule, NSIR 2011 1.5). Two logs with the same time do not count,
    because their source knows only the day. Who tells of another victim tells of another crime (Counting
    Rules: one crime for each victim), so victims whose birth dates are known and differ are kept apart. -#}
{% set within_minutes = 60 %}

with crimes as (
    select
        calls.call_id,
        calls.location_hash,
        calls.received_at,
        calls.victim_birth_date_hash as victim,
        crimes.offence_group,
        -- The first log must answer for the crime itself. One whose crime is only possible does not count, a
        -- duplicate leaves the crime to its master, which may be the later log, a test reports nothing, and
        -- what nobody confirmed is confirmed by the next caller.
        crimes.evidence_rank >= 2
        and coalesce(
            closures.reason_code not in (
                'DUPLICATE_LOG', 'ADMIN', 'THIRD_PARTY_UNCONFIRMED', 'VICTIM_UNTRACED'
            ),
            true
        ) as may_be_first
    from {{ ref('int_disclosure__disclosed_crimes') }} as crimes
    inner join {{ ref('stg_calls') }} as calls on crimes.call_id = calls.call_id
    left join {{ source('codes', 'closures') }} as closures on calls.disposition_code = closures.code
    where calls.location_hash is not null and crimes.crime_number = 1
),

earlier as (
    select
        call_id,
        victim,
        max((received_at, call_id)) filter (where may_be_first) over of_the_place as of_anybody,
        max((received_at, call_id)) filter (where may_be_first) over of_the_victim as of_the_same,
        max((received_at, call_id)) filter (where may_be_first and victim is null) over of_the_place
            as of_somebody_unknown,
        coalesce(victim = min(victim) over of_the_place, true)
        and coalesce(victim = max(victim) over of_the_place, true) as is_only_victim
    from crimes
    window
        of_the_place as (
            partition by location_hash, offence_group
            order by received_at
            range between interval {{ within_minutes }} minutes preceding and interval 1 second preceding
        ),
        of_the_victim as (
            partition by location_hash, offence_group, victim
            order by received_at
            range between interval {{ within_minutes }} minutes preceding and interval 1 second preceding
        )
),

final as (
    select
        call_id,
        -- who names nobody may tell of any of the victims
        struct_extract(
            case
                when victim is null then of_anybody
                when is_only_victim then greatest(of_the_same, of_somebody_unknown)
                else of_the_same
            end, 2
        ) as first_call_id
    from earlier
    where first_call_id is not null
)

select * from final
