{#- The rungs that references prove: `canonical_key` (the record names the log) and `written_back` (the log
    names the record). If several logs remain for a record, the one that names the record and is named by it
    wins, and then the one that agrees in more comparisons. The others are in int_linkage__shared_records. -#}
with upheld as (
    select * from {{ ref('int_linkage__upheld_references') }}
),

final as (
    select
        crime_record_id,
        call_id,
        link_rung,
        is_mutual,
        pattern
    from upheld
    qualify row_number() over (
        partition by crime_record_id
        order by
            is_mutual desc,
            agreement_count desc,
            link_rung = 'canonical_key' desc,
            received_s asc,
            call_id asc
    ) = 1
)

select * from final
