{#- What the lexicon finds in each entry of each log. A crime told in a clause that denies it is not
    told; nor is one in an entry that explains it away or cannot say ("a toy gun", "lost or stolen"), but a
    later entry may tell it plainly.
    depends_on: {{ ref('lexicon') }}, {{ ref('lexicon_terms') }} -#}
{% set entries = lexicon_entries() %}

with texts as (
    select
        call_id,
        unnest(list_concat(
            list_transform(
                string_split(account_text, ' / '), lambda entry: { 'part': 'account', 'entry': entry }
            ),
            list_transform(
                string_split(closing_text, ' / '), lambda entry: { 'part': 'closing', 'entry': entry }
            )
        )) as said,
        generate_subscripts(list_concat(
            string_split(account_text, ' / '), string_split(closing_text, ' / ')
        ), 1) as entry_number
    from {{ ref('int_reporting__logs') }}
),

spoken as (
    select
        texts.call_id,
        texts.entry_number,
        case when texts.said.part = 'account' then texts.said.entry else '' end as account_entry,
        case when texts.said.part = 'closing' then texts.said.entry else '' end as closing_entry
    from texts
    where texts.said.entry <> ''
),

cleared as (
    select
        *,
        {{ asserted('account_entry', entries) }} as asserted_entry
    from spoken
),

hits as (
    select
        call_id,
        entry_number,
        unnest({{ lexicon_ids(entries, {
            'crime': 'asserted_entry', 'account': 'account_entry', 'closing': 'closing_entry'
        }) }}) as lexicon_id
    from cleared
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

final as (
    select
        hits.call_id,
        hits.entry_number,
        lexicon.*,
        coalesce(
            bool_or(lexicon.meaning in ('no_crime', 'unsure')) over (
                partition by hits.call_id, hits.entry_number
            ),
            false
        ) as is_explained_away
    from hits
    inner join lexicon on hits.lexicon_id = lexicon.lexicon_id
)

select * from final
