{#- The number of further victims and of offenders that the account tells of. -#}
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
