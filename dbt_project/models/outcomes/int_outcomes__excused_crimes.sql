{#- How many crimes are missed behind legitimate reasons that do not hold. The rules believe the code under
    which a log is closed, and only auditors can say that it was given wrongly: what they found in logs with
    such a code is expected in all of them. Logs are drawn by risk, and those that hide a crime more often than
    others, so each audited log counts as many times as it stands for logs. -#}
{% set fewest_audited_logs = 30 %}

with closures as (
    select * from {{ source('codes', 'closures') }}
),

reasons as (
    select * from {{ ref('reasons') }}
    where excuses_crime
),

logs as (
    select * from {{ ref('int_disclosure__logs') }}
),

labels as (
    select
        *,
        greatest(0, crimes - recorded_crimes) as missed_count
    from {{ ref('int_disclosure__audit_labels') }}
    where weight is not null
),

reported as (
    select * from {{ ref('int_outcomes__reported_crimes') }}
),

outcomes as (
    select * from {{ ref('int_outcomes__outcomes') }}
    where ruleset = 'standard' and outcome in ('recorded', 'wrongly_cancelled', 'unrecorded')
),

excused as not materialized (
    select
        logs.call_id,
        logs.is_in_calls
    from logs
    inner join closures on logs.disposition_code = closures.code
    inner join reasons on closures.reason_code = reasons.reason_code
),

audited as (
    select
        count(*) as log_count,
        coalesce(sum(labels.missed_count), 0) as missed_count,
        sum(labels.weight * labels.missed_count order by labels.weight, labels.missed_count)
        / sum(labels.weight order by labels.weight) as missed_per_log,
        -- Of how many logs that stand for equally many the mean would be as sure (Kish 1965).
        pow(sum(labels.weight order by labels.weight), 2)
        / sum(pow(labels.weight, 2) order by labels.weight) as effective_count
    from labels
    semi join excused on labels.call_id = excused.call_id
),

closed as (
    select count(*) as log_count
    from excused
    where is_in_calls
),

counted as (
    select
        count(*) as due_count,
        count(*) filter (where outcomes.outcome = 'unrecorded' and excused.call_id is not null)
            as missed_count
    from reported
    inner join outcomes on reported.reported_crime_id = outcomes.reported_crime_id
    left join excused on reported.call_id = excused.call_id
),

final as (
    select
        audited.log_count as audited_log_count,
        audited.missed_count as audited_missed_count,
        counted.due_count,
        -- What is expected is compared with what the rules count already: some reasons are contradicted by
        -- the log itself. Of a handful of audited logs nothing is said.
        case
            when audited.effective_count >= {{ fewest_audited_logs }}
                then
                    cast(
                        greatest(
                            0,
                            round(closed.log_count * audited.missed_per_log)
                            - counted.missed_count
                        ) as bigint
                    )
        end as excused_count
    from audited
    cross join closed
    cross join counted
)

select * from final
