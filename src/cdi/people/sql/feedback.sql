-- The confirmed misses of a month, a team and a supervisor, each with the words of the first account that
-- told it. If the lexicon found none there, the account begins the cell.
with misses as (
    from confirmed_misses
    where
        ($month is null or reported_month_on = $month)
        and ($team is null or team = $team)
        and ($supervisor is null or supervisor_code = $supervisor)
),

told as (
    select
        misses.reported_crime_id,
        list_distinct(flatten(list(hits.words order by hits.entry_number))) as words
    from misses
    inner join main.fct_calls as calls on misses.call_id = calls.call_id
    inner join disclosure.int_disclosure__lexicon_hits as hits on calls.call_no = hits.call_id
    where
        hits.part = 'account'
        and hits.meaning in ('crime', 'further_crime')
        and (hits.meaning = 'further_crime' or hits.subject = misses.offence_group)
    group by misses.reported_crime_id
),

accounts as (
    select
        misses.reported_crime_id,
        string_agg(entries.entry, ' / ' order by entries.entry_number) as account
    from misses
    inner join main.fct_calls as calls on misses.call_id = calls.call_id
    inner join disclosure.int_disclosure__log_entries as entries on calls.call_no = entries.call_id
    where entries.part = 'account'
    group by misses.reported_crime_id
)

select
    strftime(misses.reported_month_on, '%Y-%m') as reported_month,
    misses.team,
    misses.call_id,
    misses.reported_crime_id,
    misses.supervisor_code,
    groups.offence_group_name
    || case misses.severity
        when 'rape' then ' (rape)'
        when 'domestic_abuse' then ' (domestic abuse)'
        else ''
    end as what_was_missed,
    causes.miss_cause_name,
    coalesce(array_to_string(list_sort(told.words), '; '), accounts.account) as words,
    concat_ws(
        ', ',
        concat_ws(' ', calls.final_type_code, coalesce(calls.final_type_name, types.name)),
        concat_ws(' ', calls.disposition_code, coalesce(calls.disposition_name, closures.name))
    ) as closed_as,
    misses.is_recorded_since
from misses
inner join main.fct_calls as calls on misses.call_id = calls.call_id
inner join rules.miss_causes as causes on misses.miss_cause = causes.miss_cause
left join rules.offence_groups as groups on misses.offence_group = groups.offence_group
left join codes.call_types as types on calls.final_type_code = types.code
left join codes.closures as closures on calls.disposition_code = closures.code
left join told on misses.reported_crime_id = told.reported_crime_id
left join accounts on misses.reported_crime_id = accounts.reported_crime_id
order by misses.reported_month_on, misses.team, causes.cause_order, misses.reported_crime_id
