-- The tables of the question how many crimes each log tells of. A log's number is written as text, since not
-- every language has whole numbers of 64 bits.
create schema reading;

create view reading.logs as
select
    cast(logs.call_id as varchar) as call_id,
    logs.is_in_calls as is_asked,
    logs.received_at,
    logs.initial_type_code,
    logs.final_type_code,
    logs.disposition_code,
    logs.qualifiers
from published.disclosure.int_disclosure__logs as logs;

create view reading.entries as
select
    cast(entries.call_id as varchar) as call_id,
    entries.entry_number,
    entries.part,
    entries.entry
from published.disclosure.int_disclosure__log_entries as entries;

-- What auditors found in logs that are not asked about.
create view reading.audited as
select
    cast(labels.call_id as varchar) as call_id,
    labels.crimes
from published.disclosure.int_disclosure__audit_labels as labels
inner join published.disclosure.int_disclosure__logs as logs on labels.call_id = logs.call_id
where not logs.is_in_calls;

create view reading.call_types as
select
    types.code,
    types.name,
    types.offence_group
from published.codes.call_types as types;

create view reading.closures as
select
    closures.code,
    closures.name,
    closures.reason_code
from published.codes.closures as closures;
