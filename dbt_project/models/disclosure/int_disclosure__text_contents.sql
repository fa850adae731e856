{#- A hash of the text and codes of each log, so that logs that say the same are read only once. -#}
with texts as (
    select
        call_id,
        bit_xor(hash(part, entry_number, entry)) as text_hash
    from {{ ref('int_disclosure__log_entries') }}
    group by call_id
),

final as (
    select
        texts.call_id,
        hash(texts.text_hash, logs.initial_type_code, logs.final_type_code, logs.disposition_code)
            as content_hash
    from texts
    inner join {{ ref('int_disclosure__logs') }} as logs on texts.call_id = logs.call_id
)

select * from final
