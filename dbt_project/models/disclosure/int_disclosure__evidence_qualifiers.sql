{#- Qualifiers support other evidence and mark people at risk. Alone they report no crime (NSIR 2011 p28). -#}
with named as (
    select
        call_id,
        trim(unnest(regexp_split_to_array(qualifiers, '[/;,|]'))) as code
    from {{ ref('int_disclosure__logs') }}
    where is_in_calls and qualifiers is not null
),

final as (
    select distinct
        named.call_id,
        qualifiers.qualifier,
        qualifiers.is_vulnerability,
        qualifiers.is_domestic_abuse
    from named
    inner join {{ source('codes', 'qualifiers') }} as codes on named.code = codes.code
    inner join {{ ref('qualifiers') }} as qualifiers on codes.qualifier = qualifiers.qualifier
)

select * from final
