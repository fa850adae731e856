{#- What the lexicon finds in each entry of each log. A crime that its own clause denies does not count, nor
    does one that the entry explains away or leaves open ("a toy gun", "lost or stolen"); a later entry may
    still tell of it plainly. Many entries repeat the same text ("resume with crew"), so each distinct text is
    searched once. -#}
-- depends_on: {{ ref('lexicon_terms') }}
{% set entries = lexicon_entries() %}
{% set crimes = entries | selectattr('meaning', 'equalto', 'crime') | list %}
{% set others = entries | rejectattr('meaning', 'in', ['crime', 'negates_clause']) | list %}
{% set of_account = others | selectattr('part', 'equalto', 'account') | list %}
{% set of_closing = others | selectattr('part', 'equalto', 'closing') | list %}

with texts as (
    select
        part,
        entry,
        {{ asserted('entry', entries) }} as asserted_entry
    from (
        select distinct
            part,
            entry
        from {{ ref('int_disclosure__log_entries') }}
    ) as entries
),

said as (
    select
        part,
        entry,
        unnest({{ lexicon_hits(crimes, 'asserted_entry') }}, max_depth := 2)
    from texts
    where part = 'account'

    union all

    select
        part,
        entry,
        unnest({{ lexicon_hits(of_account, 'entry') }}, max_depth := 2)
    from texts
    where part = 'account'

    union all

    select
        part,
        entry,
        unnest({{ lexicon_hits(of_closing, 'entry') }}, max_depth := 2)
    from texts
    where part = 'closing'
),

lexicon as (
    select distinct
        lexicon_id,
        part,
        meaning,
        subject,
        is_rape,
        strength,
        replaces,
        coalesce(counting_class, '') as counting_class
    from {{ ref('lexicon') }}
),

read_texts as (
    select
        said.entry,
        said.words,
        lexicon.*,
        coalesce(
            bool_or(lexicon.meaning in ('no_crime', 'unsure')) over (partition by said.part, said.entry),
            false
        ) as is_explained_away
    from said
    inner join lexicon on said.lexicon_id = lexicon.lexicon_id
),

final as (
    select
        entries.call_id,
        entries.entry_number,
        read_texts.* exclude (entry)  -- noqa: RF02
    from {{ ref('int_disclosure__log_entries') }} as entries
    inner join read_texts on entries.part = read_texts.part and entries.entry = read_texts.entry
    semi join {{ ref('int_disclosure__logs') }} as logs on entries.call_id = logs.call_id
)

select * from final
