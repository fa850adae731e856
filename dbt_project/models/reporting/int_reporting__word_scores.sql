{#- How strongly a log's words speak for each reading. A crime is told in one breath, often among much
    else, so the best run of eight words of an entry counts, not the average of all. `plain`: of the
    entries that the lexicon does not find explained away. -#}
{% set run_length = 8 %}
{% set readings = {
    'opened_as_crime': 'account',
    'closed_with_reason': 'closing',
    'closed_as_no_crime': 'closing',
    'closed_as_recorded': 'closing'
} %}

with words as (
    select
        call_id,
        part,
        entry_number,
        unnest(range(1, len(words) + 1)) as position,
        unnest(words) as word,
        unnest(pairs) as pair,
        unnest(triples) as triple
    from {{ ref('int_reporting__words') }}
),

-- the four readings of a token side by side: one look-up a word, not four
weights as (
    select
        case when reading = 'opened_as_crime' then 'account' else 'closing' end as part,
        token,
    {% for reading in readings -%}
        coalesce(max(weight) filter (where reading = '{{ reading }}'), 0)
            as {{ reading }}{{ ',' if not loop.last }}
    {% endfor %}
    from {{ ref('int_reporting__word_weights') }}
    group by all
),

explained_away as (
    select distinct
        call_id,
        entry_number
    from {{ ref('int_reporting__lexicon_hits') }}
    where part = 'account' and is_explained_away
),

weighed as (
    select
        words.call_id,
        words.part,
        words.entry_number,
        words.position,
        explained_away.call_id is null as is_plain,
        {% for reading in readings -%}
            coalesce(by_word.{{ reading }}, 0) + coalesce(by_pair.{{ reading }}, 0) as {{ reading }},
        {% endfor -%}
        coalesce(by_pair.opened_as_crime, 0) + coalesce(by_triple.opened_as_crime, 0) as phrase
    from words
    left join weights as by_word on words.part = by_word.part and words.word = by_word.token
    left join weights as by_pair on words.part = by_pair.part and words.pair = by_pair.token
    left join weights as by_triple on words.part = by_triple.part and words.triple = by_triple.token
    left join explained_away
        on
            words.part = 'account'
            and words.call_id = explained_away.call_id
            and words.entry_number = explained_away.entry_number
),

runs as (
    select
        call_id,
        part,
        entry_number,
        is_plain,
        opened_as_crime,
        {% for reading in readings -%}
            sum({{ reading }}) over run as run_{{ reading }},
        {% endfor -%}
        sum(phrase) over run as run_phrase
    from weighed
    window run as (
        partition by call_id, part, entry_number
        order by position
        rows between current row and {{ run_length - 1 }} following
    )
),

final as (
    select
        call_id,
        {% for reading, part in readings.items() -%}
            max(run_{{ reading }}) filter (where part = '{{ part }}') as best_{{ reading }},
        {% endfor -%}
        max(run_opened_as_crime) filter (where part = 'account' and is_plain)
            as best_plain_opened_as_crime,
        max(run_phrase) filter (where part = 'account') as best_phrase_opened_as_crime,
        sum(greatest(opened_as_crime, 0)) filter (where part = 'account') as total_opened_as_crime,
        count(*) filter (where opened_as_crime > 1) as telling_words,
        count(*) filter (where part = 'account') as account_words
    from runs
    group by call_id
)

select * from final
