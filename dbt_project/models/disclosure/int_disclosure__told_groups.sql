{#- Of which offence groups the words of a call tell: by phrases of the lexicon that nothing explains away, or
    by the text model. Here it does not matter whether the crime counts. -#}
with hits as (
    select * from {{ ref('int_disclosure__lexicon_hits') }}
    where meaning = 'crime' and not is_explained_away
),

readings as (
    select * from {{ ref('int_disclosure__text_reading') }}
    where text_reading = 'crime'
),

final as (
    select
        call_id,
        subject as offence_group
    from hits
    union
    select
        call_id,
        offence_group
    from readings
    where offence_group is not null
)

select * from final
