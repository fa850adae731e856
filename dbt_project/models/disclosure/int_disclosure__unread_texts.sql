{#- The texts that no earlier build has read. Many logs repeat the same text ("resume with crew"), and each
    text is here once. -#}
with texts as not materialized (
    select * from {{ ref('int_disclosure__log_texts') }}
),

known as not materialized (
    select * from {{ source('landing', 'lexicon_readings') }}
),

final as (
    select
        texts.text_no,
        texts.part,
        any_value(texts.text) as text
    from texts
    -- Of the two parts, only whether it is the closing is compared, as a join by texts is dearer by half.
    anti join known on texts.text_no = known.text_no and (texts.part = 'closing') = (known.part = 'closing')
    group by
        texts.text_no,
        texts.part
)

select * from final
