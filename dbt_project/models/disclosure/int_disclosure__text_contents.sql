{#- A hash of the texts and codes of each log, so that logs that say the same are read only once. -#}
with texts as (
    select
        call_id,
        bit_xor(hash(part, sequence_number, text_no)) as texts_hash
    from {{ ref('int_disclosure__log_texts') }}
    group by call_id
),

final as (
    select
        texts.call_id,
        hash(texts.texts_hash, logs.initial_type_code, logs.final_type_code, logs.disposition_code)
            as content_hash
    from texts
    inner join {{ ref('int_disclosure__logs') }} as logs on texts.call_id = logs.call_id
)

select * from final
