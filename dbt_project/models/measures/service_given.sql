{#- Whether an officer came. A deputy chief constable said in 2018 that "in every case where there was a
    vulnerable victim, we have sent an officer". The rows count calls, not crimes: a call with one recorded
    and one unrecorded crime is `unrecorded`. Calls that an officer raised are left out, because an officer
    is there already. -#}
with calls as not materialized (
    select *
    from {{ ref('fct_calls') }}
    where not coalesce(is_self_initiated, false)
),

vulnerable as not materialized (
    select
        call_id,
        qualifier
    from {{ ref('int_disclosure__evidence_qualifiers') }}
    where is_vulnerability
),

reported_crimes as (
    select * from {{ ref('fct_reported_crimes') }}
),

-- The crimes that the standard ruleset counts.
crimes as (
    select
        call_no,
        bool_or(outcome_standard = 'recorded') as has_recorded,
        bool_or(outcome_standard = 'unrecorded') as has_unrecorded
    from reported_crimes
    where outcome_standard is not null
    group by call_no
),

labelled as (
    select
        call_id,
        qualifier as vulnerability
    from vulnerable

    union all

    select distinct
        call_id,
        'any' as vulnerability
    from vulnerable

    union all

    select
        calls.call_no as call_id,
        'none' as vulnerability
    from calls
    anti join vulnerable on calls.call_no = vulnerable.call_id
),

-- Where a source gives no times at all, it must not look as if nobody had come.
known as (
    select
        count(arrived_at) > 0 as has_arrivals,
        count(dispatched_at) + count(arrived_at) > 0 as has_dispatches
    from calls
),

served as (
    select
        labelled.vulnerability,
        crimes.call_no is not null as is_crime_disclosed,
        case
            when crimes.has_unrecorded then 'unrecorded'
            when crimes.has_recorded then 'recorded'
            else 'none'
        end as recording,
        case when known.has_dispatches then coalesce(calls.dispatched_at, calls.arrived_at) is not null end
            as is_sent,
        case when known.has_arrivals then calls.arrived_at is not null end as is_attended,
        case
            when calls.arrived_at >= calls.received_at
                then date_diff('second', calls.received_at, calls.arrived_at) / 60.0
        end as minutes
    from labelled
    inner join calls on labelled.call_id = calls.call_no
    left join crimes on calls.call_no = crimes.call_no
    cross join known
),

final as (
    select
        vulnerability,
        is_crime_disclosed,
        recording,
        count(*) as call_count,
        cast(sum(cast(is_sent as integer)) as bigint) as sent_count,
        cast(sum(cast(is_attended as integer)) as bigint) as attended_count,
        cast(sum(cast(not is_attended as integer)) as bigint) as not_attended_count,
        avg(cast(is_attended as integer)) as attended_share,
        quantile_cont(minutes, 0.5) as median_minutes,
        quantile_cont(minutes, 0.9) as p90_minutes
    from served
    group by vulnerability, is_crime_disclosed, recording
)

select * from final
