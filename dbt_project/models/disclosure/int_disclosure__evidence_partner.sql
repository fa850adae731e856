{#- Logs whose account names a partner or former partner as the offender. -#}
with final as (
    select
        call_id,
        min(lexicon_id) as lexicon_id
    from {{ ref('int_disclosure__lexicon_hits') }}
    where meaning = 'domestic_abuse'
    group by call_id
)

select * from final
