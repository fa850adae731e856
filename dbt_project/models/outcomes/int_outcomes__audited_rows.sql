{#- What the worklist would have shown to the auditors: the crimes of each audited log that no record
    accounted for when it was read. A log that is recorded since, because the audit found it, is asked as it
    was then. Logs that are not among the calls are left out, as nobody knows what the list would have said of
    them. -#}
with labels as not materialized (
    select * from {{ ref('int_disclosure__audit_labels') }}
),

readings as (
    select * from {{ ref('int_disclosure__text_reading') }}
),

reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

outcomes as (
    select * from {{ ref('int_outcomes__outcomes') }}
),

human as (
    select * from {{ ref('int_outcomes__human_decisions') }}
),

-- How many crimes count in each ruleset, also those that a person dismissed since.
counted as (
    select
        reported.call_id,
        count(*) filter (where outcomes.ruleset = 'standard') as likely_count,
        count(*) filter (where outcomes.ruleset = 'inclusive') as all_count
    from reported
    semi join labels on reported.call_id = labels.call_id
    inner join outcomes on reported.reported_crime_id = outcomes.reported_crime_id
    left join human on reported.reported_crime_id = human.reported_crime_id
    where
        outcomes.outcome <> 'justified'
        or (outcomes.outcome = 'justified' and human.decision_kind = 'dismissed')
    group by reported.call_id
),

placed as (
    select
        labels.call_id,
        labels.crimes,
        labels.recorded_crimes > 0 as is_any_recorded,
        counted.likely_count,
        unnest(range(labels.recorded_crimes + 1, counted.all_count + 1)) as place
    from labels
    inner join counted on labels.call_id = counted.call_id
),

final as (
    select
        placed.call_id,
        placed.place,
        placed.place <= placed.likely_count as is_likely,
        placed.crimes >= placed.place as is_missed,
        {{ miss_probability('placed.place', 'placed.is_any_recorded', 'readings') }} as miss_probability
    from placed
    inner join readings on placed.call_id = readings.call_id
    -- A text model that has not learnt second crimes says nothing of them.
    where
        readings.crime_probability is not null
        and (placed.place = 1 or readings.second_probability is not null)
)

select * from final
