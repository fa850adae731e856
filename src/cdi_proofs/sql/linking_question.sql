-- The tables of the question which log a crime record belongs to that no reference proves. Numbers are
-- written as texts, since not every language has whole numbers of 64 bits. Those of persons and addresses
-- are hashes: they can only be equal or not.
create schema linking;

create view linking.proven as
select
    cast(proven.crime_record_id as varchar) as record_id,
    cast(proven.call_id as varchar) as call_id
from inputs.linkage.int_linkage__proven as proven
inner join inputs.linkage.int_linkage__records as records on proven.crime_record_id = records.crime_record_id
where records.is_crime_record;

create view linking.records as
select
    cast(records.crime_record_id as varchar) as record_id,
    subjects.crime_record_id is not null as is_asked,
    records.told_s as reported_s,
    records.crime_s,
    records.easting_m,
    records.northing_m,
    cast(records.address_line as varchar) as address_line,
    cast(records.postcode as varchar) as postcode,
    cast(records.district as varchar) as district,
    cast(records.surname as varchar) as surname,
    cast(records.birth_date as varchar) as birth_date,
    variants.street_variants,
    variants.surname_variants,
    records.offence_group
from inputs.linkage.int_linkage__records as records
left join inputs.linkage.int_linkage__subjects as subjects
    on records.crime_record_id = subjects.crime_record_id
left join inputs.staging.stg_record_variants as variants
    on records.crime_record_id = variants.crime_record_id
where records.is_crime_record;

create view linking.calls as
select
    cast(calls.call_id as varchar) as call_id,
    calls.received_s,
    calls.easting_m,
    calls.northing_m,
    cast(calls.address_line as varchar) as address_line,
    cast(calls.postcode as varchar) as postcode,
    cast(calls.district as varchar) as district,
    cast(calls.surname as varchar) as surname,
    cast(calls.birth_date as varchar) as birth_date,
    calls.street_variants,
    calls.surname_variants,
    calls.initial_group,
    calls.final_group,
    calls.is_duplicate
from inputs.linkage.int_linkage__calls as calls;

-- Which record and which log name each other, whether or not the rest contradicts it.
create view linking.named as
select
    cast(named.crime_record_id as varchar) as record_id,
    cast(named.call_id as varchar) as call_id,
    named.is_typed as is_named_by_record,
    named.is_written_back as is_named_by_log
from inputs.linkage.int_linkage__references as named
inner join inputs.linkage.int_linkage__records as records on named.crime_record_id = records.crime_record_id
where records.is_crime_record;

-- The pairs that the pipeline compares. A linker may look elsewhere.
create view linking.candidates as
select
    cast(pairs.crime_record_id as varchar) as record_id,
    cast(pairs.call_id as varchar) as call_id
from inputs.linkage.int_linkage__comparisons as pairs
where pairs.is_crime_record;
