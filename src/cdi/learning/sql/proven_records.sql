with records as (
    select
        record_key,
        call_key
    from read_parquet($records, union_by_name = true)
),

calls as (
    select call_key from read_parquet($calls, union_by_name = true)
)

select count(distinct records.record_key)
from records
semi join calls on records.call_key = calls.call_key
