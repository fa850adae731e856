-- The recording rate that the sample gives without the predictions: each audited log stands for as many
-- logs as its stratum has for each that was audited. What a second reading changed is taken to hold for the
-- other logs of its second stratum too. The published rate also uses the predictions, by recompute.R; it is
-- more exact.
with
weighted as (
    select
        logs.due_count,
        logs.recorded_count,
        strata.log_count / strata.audited_count as weight,
        if(
            logs.is_read_twice,
            count(*) over second_strata / count(*) filter (where logs.is_read_twice) over second_strata - 1,
            0
        ) as more,
        coalesce(logs.due_count - logs.first_due_count, 0) as due_change,
        coalesce(logs.recorded_count - logs.first_recorded_count, 0) as recorded_change
    from audited_logs as logs
    inner join audit_strata as strata on logs.stratum = strata.stratum
    window second_strata as (partition by logs.second_stratum)
)

select sum(weight * (recorded_count + more * recorded_change)) / sum(weight * (due_count + more * due_change))
from weighted
