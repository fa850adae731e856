-- the batch's refused rows: those that could not be read, and those that break a rule now
create table quarantine as
from read_parquet($quarantine)
union all by name
select
    moved.row_id,
    moved.source_file,
    cast(split_part(moved.row_id, ':', -1) as bigint) as source_line,
    moved.rule_id,
    null as detail,
    moved.original_masked,
    originals.original_encrypted
from moved
inner join originals on moved.row_id = originals.row_id
