{#- The number of further victims and of offenders that the account tells of. Hits that their entry explains
    away count as well: a doubt is about the crime ("a toy gun"), often about one of another group. Whether there
    is a crime is decided elsewhere, and these numbers are read only where there is one. -#}
with final as (
    select
        call_id,
        coalesce(max(cast(subject as integer)) filter (where meaning = 'further_crime'), 0)
            as further_victims,
        coalesce(max(cast(subject as integer)) filter (where meaning = 'offenders'), 1) as offenders
    from {{ ref('int_disclosure__lexicon_hits') }}
    where meaning in ('further_crime', 'offenders')
    group by call_id
)

select * from final
