{#- The weights that a build scores by: the newest that were learnt from the agency's data, or else the
    shipped ones. -#}
with learnt as (
    select * from {{ source('landing', 'link_weights') }}
),

default_link_weights as (
    select * from {{ ref('default_link_weights') }}
),

shipped as (
    select * from default_link_weights
    where not exists (select 1 from learnt)
),

final as (
    select
        comparison,
        level,
        weight,
        weights_version
    from learnt
    union all
    select
        comparison,
        level,
        weight,
        'shipped' as weights_version
    from shipped
)

select * from final
