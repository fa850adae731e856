-- How well each pair of forms joins each pair of columns. The table keys has (dataset, name, form,
-- gives, reference, key, moment): each reference once for each form that reads it.
with forms as (
    select
        dataset,
        name,
        form,
        gives,
        count(distinct key) / count(*) as distinct_share
    from keys
    group by all
),

totals as (
    select
        dataset,
        name,
        count(distinct reference) as reference_count
    from keys
    where form = 'as_typed'
    group by all
),

single as (
    select
        dataset,
        name,
        form,
        gives,
        key,
        count(*) as reference_count,
        min(moment) as moment
    from keys
    group by all
),

pairs as (
    select
        calls.name as call_name,
        records.name as record_name,
        calls.form as call_form,
        records.form as record_form,
        calls.gives,
        calls.reference_count as call_count,
        records.reference_count as record_count,
        abs(date_diff('hour', calls.moment, records.moment)) as hours_between
    from single as calls
    inner join single as records on calls.gives = records.gives and calls.key = records.key
    where calls.dataset = 'calls' and records.dataset = 'crime_records'
),

timed_pairs as (
    select
        *,
        hours_between <= $close_hours as is_close
    from pairs
)

select
    pairs.call_name,
    pairs.record_name,
    pairs.call_form,
    pairs.record_form,
    pairs.gives,
    cast(sum(pairs.record_count) as bigint) as matched_count,
    sum(pairs.record_count) / any_value(record_totals.reference_count) as record_share,
    sum(pairs.call_count) / any_value(call_totals.reference_count) as call_share,
    count(pairs.hours_between) as timed_count,
    avg(cast(pairs.is_close as integer)) as close_share,
    least(any_value(call_forms.distinct_share), any_value(record_forms.distinct_share)) as distinct_share
from timed_pairs as pairs
inner join totals as call_totals
    on call_totals.dataset = 'calls' and pairs.call_name = call_totals.name
inner join totals as record_totals
    on record_totals.dataset = 'crime_records' and pairs.record_name = record_totals.name
inner join forms as call_forms
    on
        call_forms.dataset = 'calls'
        and pairs.call_name = call_forms.name
        and pairs.call_form = call_forms.form
inner join forms as record_forms
    on
        record_forms.dataset = 'crime_records'
        and pairs.record_name = record_forms.name
        and pairs.record_form = record_forms.form
group by all
