{#- What people decided about a reported crime. The decision that arrived last counts, unless it takes back
    those before it. Two people must dismiss a report of rape; if only one does, the report stays suspected.
    What is proposed or passed on decides nothing. -#}
with decided as (
    select *
    from {{ ref('stg_decisions') }}
    where
        not is_withdrawn
        and (
            decision_kind in ('confirmed', 'dismissed')
            or (decision_kind = 'undone' and crime_record_id is null)
        )
),

reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

newest as (
    select
        reported.reported_crime_id,
        reported.call_id,
        reported.is_rape,
        decided.decision_reference,
        decided.decision_kind,
        decided.reason_code,
        decided.decided_by,
        decided.second_person,
        decided.decided_at,
        decided.arrival,
        decided.seen_likelihood,
        decided.selection
    from reported
    inner join decided
        on
            reported.call_id = decided.call_id
            and (decided.crime_number is null or reported.crime_number = decided.crime_number)
    qualify row_number() over (
        partition by reported.reported_crime_id
        order by decided.arrival desc
    ) = 1
),

final as (
    select
        reported_crime_id,
        call_id,
        decision_reference,
        decision_kind,
        reason_code,
        decided_by,
        second_person,
        decided_at,
        arrival,
        seen_likelihood,
        selection,
        decision_kind = 'confirmed' or not is_rape or second_person is not null as is_counted
    from newest
    where decision_kind <> 'undone'
)

select * from final
