-- The crimes that a call reported, with their outcome, their record and who decided about them.
select
    crimes.*,
    reported.crime_number,
    reported.published_shared_record_id as shared_record_id,
    links.call_id as recorded_under_call_id,
    groups.offence_group_name,
    reasons.reason_name,
    cancellations.check_meaning
from main.fct_reported_crimes as crimes
inner join outcomes.int_outcomes__reported_crimes as reported
    on
        crimes.call_no = reported.call_id
        and crimes.reported_crime_id = crimes.call_id || '#' || reported.place_in_call
left join main.links as links on reported.published_shared_record_id = links.crime_record_id
left join rules.offence_groups as groups on crimes.offence_group = groups.offence_group
left join rules.reasons as reasons on crimes.reason_code = reasons.reason_code
left join main.cancellations as cancellations on crimes.crime_record_id = cancellations.crime_record_id
where crimes.call_id in (select unnest($calls))
order by crimes.reported_crime_id
