{#- The call that each leftover record most probably belongs to, out of its candidates. If two candidates have
    equal weights, the call that was received first wins, and then the one whose number is lower. That is a
    total order, so that a rerun gives the same links. -#}
with probabilities as not materialized (
    select * from {{ ref('int_linkage__probabilities') }}
),

calls as (
    select * from {{ ref('int_linkage__calls') }}
),

-- Only the candidates of the largest weight are put in order. To order all of them takes twice as long.
largest as (
    select
        crime_record_id,
        max(weight) as weight
    from probabilities
    group by crime_record_id
),

final as (
    select
        probabilities.crime_record_id,
        probabilities.incident_call_id as call_id,
        probabilities.pattern,
        probabilities.weight,
        probabilities.probability,
        case
            when {{ link_level('probabilities.pattern', 'reference') }} = 'near' then 'repaired_key'
            else 'scored'
        end as link_rung
    from probabilities
    inner join largest
        on probabilities.crime_record_id = largest.crime_record_id and probabilities.weight = largest.weight
    inner join calls on probabilities.incident_call_id = calls.call_id
    qualify row_number() over (
        partition by probabilities.crime_record_id
        order by calls.received_s asc, probabilities.incident_call_id asc
    ) = 1
)

select * from final
