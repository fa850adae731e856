-- Whether an officer came to the vulnerable, by whether their crime is recorded.
select
    max(call_count) filter (where recording = 'unrecorded') as vulnerable_unrecorded,
    max(attended_share) filter (where recording = 'unrecorded') as vulnerable_unrecorded_attended,
    max(attended_share) filter (where recording = 'recorded') as vulnerable_recorded_attended
from service_given
where is_crime_disclosed and vulnerability = 'any' and attended_share is not null
