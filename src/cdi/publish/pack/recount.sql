-- Counts the crimes of each audited log once more, from the files of readings, and shows the logs for which
-- audited_logs, from which the rate is worked out, has other counts: no row means that all are equal.
-- A crime counts if its offence does. Where two auditors differ, the registrar (FCR) decides.
with
headline_offences as not materialized (
    select offences.code as offence_code
    from codes.offences as offences
    inner join rules.offence_groups as offence_groups on offences.offence_group = offence_groups.offence_group
    where offence_groups.is_headline
),

counts as not materialized (
    select
        readings.call_reference as call_id,
        readings.auditor_code,
        count(offences.offence_code) as due_count,
        count(offences.offence_code) filter (where readings.recorded_code = 'Y') as recorded_count
    from readings
    left join headline_offences as offences
        on readings.offence_code = offences.offence_code and readings.crime_number <> '0'
    group by all
),

drawn as (
    select
        sample.call_id,
        readers.auditor_code is not null as is_read_twice,
        struct_pack(due := counts.due_count, recorded := counts.recorded_count) as first_reading,
        case
            when readers.auditor_code is null then first_reading
            else struct_pack(due := others.due_count, recorded := others.recorded_count)
        end as second_reading,
        struct_pack(due := decided.due_count, recorded := decided.recorded_count) as decision,
        if(first_reading = second_reading, first_reading, decision) as best
    from sample
    left join second_readers as readers on sample.call_id = readers.call_id
    left join counts on sample.call_id = counts.call_id and sample.auditor_code = counts.auditor_code
    left join counts as others
        on sample.call_id = others.call_id and readers.auditor_code = others.auditor_code
    left join counts as decided on sample.call_id = decided.call_id and decided.auditor_code = 'FCR'
)

select
    drawn.call_id,
    drawn.best,
    logs.call_id as counted_call_id,
    logs.due_count,
    logs.recorded_count
from drawn
full join audited_logs as logs on drawn.call_id = logs.call_id
where
    drawn.call_id is distinct from logs.call_id
    or drawn.best.due is distinct from logs.due_count
    or drawn.best.recorded is distinct from logs.recorded_count
    or drawn.is_read_twice <> coalesce(logs.is_read_twice, false)
    or drawn.first_reading.due <> logs.first_due_count
    or drawn.first_reading.recorded <> logs.first_recorded_count
order by drawn.call_id
