{#- How many crimes with each word of likelihood were missed: by what people decided, once they decided enough
    of them, and before that by the simulated force. -#}
{% set fewest_decided = 20 %}

with words as (
    select * from {{ ref('likelihood_words') }}
),

worklist as (
    select * from {{ ref('unrecorded_crimes') }}
),

human as (
    select * from {{ ref('int_outcomes__human_decisions') }}
),

-- What people read first is likelier than the rest, so decisions about it would flatter the list. A lot
-- draws the log with the least number of those that are left, and the numbers are hashes. So when it is
-- decided, all logs of the list with a lesser number have been decided, whichever way they came: they are a
-- random sample. The log of the lot itself only says how far the lots have come.
sampled as (
    select *
    from human
    qualify
        call_id < max(if(selection = 'lot', call_id, null)) over (
            order by arrival
            rows between current row and unbounded following
        )
),

-- A crime keeps the word that people saw: what was confirmed and recorded since is on no list any more, and
-- counts all the same.
decided as (
    select
        seen_likelihood as likelihood,
        decision_kind = 'confirmed' as is_confirmed
    from sampled
    where is_counted
),

counted as (
    select
        likelihood,
        count(*) as decided_count,
        count(*) filter (where is_confirmed) as confirmed_count
    from decided
    group by likelihood
),

-- Without a text model the words rest on the kind of evidence alone, and no simulated share holds for them.
models as (
    select coalesce(bool_or(miss_probability is not null), false) as has_model
    from worklist
),

chosen as (
    select
        words.*,
        coalesce(counted.decided_count, 0) as decided_count,
        coalesce(counted.confirmed_count, 0) as confirmed_count,
        case
            when counted.decided_count >= {{ fewest_decided }} then 'decisions'
            when models.has_model then 'simulated'
        end as calibrated_on
    from words
    left join counted on words.likelihood = counted.likelihood
    cross join models
),

calibrated as (
    select
        *,
        case calibrated_on
            when 'decisions' then confirmed_count / decided_count
            when 'simulated' then simulated_missed_count / simulated_count
        end as missed_share
    from chosen
),

-- So many in ten were missed, or one in so many, which is said in tens if it is more than ten.
counted_in_words as (
    select
        *,
        cast(round(10 * missed_share) as int) as in_ten_count,
        cast(round(1 / nullif(missed_share, 0), if(missed_share < 0.1, -1, 0)) as int) as one_in_count
    from calibrated
),

final as (
    select
        likelihood,
        word_order,
        likelihood_name,
        decided_count,
        confirmed_count,
        case when decided_count > 0 then confirmed_count / decided_count end as confirmed_share,
        case when decided_count > 0 then {{ wilson_limit('confirmed_count', 'decided_count', -1) }} end
            as lower_limit,
        case when decided_count > 0 then {{ wilson_limit('confirmed_count', 'decided_count', 1) }} end
            as upper_limit,
        calibrated_on,
        missed_share,
        case
            when missed_share is null
                then
                    'by its kind of evidence alone; how many like this were missed '
                    || 'is not known before an audit'
            else
                case
                    when missed_share >= 0.95 then 'more than 9 in 10'
                    when missed_share >= 0.5 then 'about ' || in_ten_count || ' in 10'
                    when missed_share >= 0.01 then 'about 1 in ' || one_in_count
                    else 'fewer than 1 in 100'
                end
                || ' like this were missed'
                || if(
                    calibrated_on = 'decisions',
                    ', of ' || format('{:,}', decided_count) || ' that people decided',
                    '; on simulated data'
                )
        end as likelihood_sentence
    from counted_in_words
)

select * from final
order by word_order
