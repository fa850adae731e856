{#-
    The lexicon as SQL. Its rows are read when a model runs and become constants, because DuckDB compiles a
    constant pattern once but a pattern from a column once per row.
-#}

{#- The rows of a query of the rules as a list of dictionaries. The list is empty while dbt only parses. -#}
{% macro rules_rows(query) %}
    {%- set rows = [] -%}
    {%- if execute -%}
        {%- for row in run_query(query) -%}
            {%- do rows.append(dict(zip(row.keys(), row.values()))) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(rows) -}}
{% endmacro %}

{#- A pattern in which every {term} is replaced by its words. A term may use other terms. -#}
{% macro written_out(pattern, terms) %}
    {%- set found = namespace(pattern=pattern) -%}
    {%- for _ in range(4) if '{' in found.pattern -%}
        {%- for term in modules.re.findall('\{([a-z_]+)\}', found.pattern) -%}
            {%- set found.pattern = found.pattern | replace('{' ~ term ~ '}', '(?:' ~ terms[term] ~ ')') -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(found.pattern) -}}
{% endmacro %}

{#-
    The entries of the lexicon: one dictionary per lexicon_id. Its `literal` is a SQL literal of a regular
    expression that matches any phrase of the entry as whole words, its `number` the entry's place in the list.
    All rows of an entry have the same subject, strength and groups.
-#}
{% macro lexicon_entries() %}
    {%- set terms = {} -%}
    {%- for row in rules_rows('select term, words from rules.lexicon_terms') -%}
        {%- do terms.update({row.term: row.words}) -%}
    {%- endfor -%}
    {%- set entries = {} -%}
    {%- for row in rules_rows('select * from rules.lexicon order by phrase_id') -%}
        {%- if row.lexicon_id not in entries -%}
            {%- do entries.update({row.lexicon_id: dict(row, phrases=[])}) -%}
        {%- endif -%}
        {%- do entries[row.lexicon_id].phrases.append(written_out(row.pattern, terms)) -%}
    {%- endfor -%}
    {%- for entry in entries.values() -%}
        {%- set pattern = '\\b(?:' ~ entry.phrases | join('|') ~ ')\\b' -%}
        {%- do entry.update({'literal': "'" ~ pattern | replace("'", "''") ~ "'", 'number': loop.index0}) -%}
    {%- endfor -%}
    {{- return(entries.values() | list) -}}
{% endmacro %}

{#- The lexicon_ids of these entries in their order, for what needs no patterns: it takes time to write those
    out. -#}
{% macro lexicon_ids() %}
    {%- set query = 'select lexicon_id from rules.lexicon group by lexicon_id order by min(phrase_id)' -%}
    {{- return(rules_rows(query) | map(attribute='lexicon_id') | list) -}}
{% endmacro %}

{#-
    An account without the clauses that deny something, so that only what it asserts is left; the others are joined
    by ' , ', and what ends the last one is cut off, so that a phrase that ends with its text is found before a full
    stop. A clause ends where a new one begins with its own subject: in "he pushed her and she fell" only the fall is
    denied. To split an account into clauses is dear, and few deny anything: only those are split in which a
    clause may do so. To find out, the clauses are put on lines of their own, as a denial may be bound to a clause's
    beginning.
-#}
{% macro asserted(account, entries) %}
    {%- set denials = [] -%}
    {%- for entry in entries if entry.meaning == 'negates_clause' -%}
        {%- do denials.append(entry.literal[1:-1]) -%}
    {%- endfor -%}
    {%- if not denials -%}
        {{- return(account) -}}
    {%- endif -%}
    {%- set denial = denials | join('|') -%}
    {%- set ends = "'[,.;/]| but | however | although '" -%}
    {%- set clauses = "regexp_replace(" ~ account ~ ", ' and (he|she|they) ', ' , \\1 ', 'g')" -%}
    {{- return(
        "rtrim(case when regexp_matches(regexp_replace(" ~ clauses ~ ", " ~ ends ~ ", chr(10), 'g'), '(?m)" ~ denial
        ~ "') then array_to_string(list_filter(regexp_split_to_array(" ~ clauses ~ ", " ~ ends
        ~ "), lambda clause: not regexp_matches(clause, '" ~ denial ~ "')), ' , ') else regexp_replace("
        ~ clauses ~ ", " ~ ends ~ ", ' , ', 'g') end, ' ,.!?')"
    ) -}}
{% endmacro %}

{#-
    The numbers of entries as one string of bits, in which an entry has the place that it has in the whole lexicon.
    To ask for a bit costs a hundredth of what a pattern costs.
-#}
{% macro bits_of_entries(lexicon_id, ids) %}
    {{- return(
        "bitstring_agg(list_position(['" ~ ids | join("', '") ~ "'], "
        ~ lexicon_id ~ ") - 1, 0, " ~ (ids | length - 1) ~ ")"
    ) -}}
{% endmacro %}

{#-
    The given entries whose phrases occur in a text: a list of {lexicon_id, words}, where `words` lists what matched.
    Only those are looked for whose bit is set (see `bits_of_entries`). The words are extracted only where an entry
    matches, because matching alone is faster.
-#}
{% macro lexicon_hits(entries, text, bits) %}
    {%- set cases = [] -%}
    {%- for entry in entries -%}
        {%- do cases.append(
            "case when get_bit(" ~ bits ~ ", " ~ entry.number ~ ") = 1 and regexp_matches(" ~ text ~ ", "
            ~ entry.literal ~ ") then {'lexicon_id': '" ~ entry.lexicon_id ~ "', 'words': regexp_extract_all("
            ~ text ~ ", " ~ entry.literal ~ ")} end"
        ) -%}
    {%- endfor -%}
    {{- return(
        "list_filter(cast([" ~ cases | join(', ')
        ~ "] as struct(lexicon_id varchar, words varchar[])[]), lambda hit: hit is not null)"
    ) -}}
{% endmacro %}

{#- These hits, or one without a lexicon_id if there is none, so that a text in which nothing is found is
    known as well. -#}
{% macro hits_or_none(hits) %}
    {{- return(
        "case when len(" ~ hits ~ ") = 0 then [{'lexicon_id': '', 'words': cast([] as varchar[])}] else " ~ hits
        ~ " end"
    ) -}}
{% endmacro %}

{#- Whether one of these hits is of the given entries. -#}
{% macro has_hit_of(entries, hits) %}
    {{- return(
        "list_has_any(list_transform(" ~ hits ~ ", lambda hit: struct_extract(hit, 'lexicon_id')), cast(["
        ~ ("'" ~ entries | map(attribute='lexicon_id') | join("', '") ~ "'" if entries) ~ "] as varchar[]))"
    ) -}}
{% endmacro %}

{#-
    Whether one of an entry's hits explains away the hit of this lexicon_id. A doubt that names offence groups is one
    about crimes of these groups only, and a weak doubt one about what is only suggested: who is stabbed and gives no
    details was stabbed.
-#}
{% macro is_explained_away(entries, lexicon_id, hits) %}
    {%- set doubts = entries | selectattr('meaning', 'in', ['no_crime', 'unsure']) | list -%}
    {%- set crimes_by_test = {} -%}
    {%- for crime in entries if crime.meaning == 'crime' -%}
        {%- set about = [] -%}
        {%- for doubt in doubts if not doubt.replaces or crime.subject in doubt.replaces.split(' ') -%}
            {%- if doubt.strength == 'likely' or crime.strength == 'possible' -%}
                {%- do about.append(doubt) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do crimes_by_test.setdefault(has_hit_of(about, hits), []).append(crime.lexicon_id) -%}
    {%- endfor -%}
    {%- set cases = [] -%}
    {%- for test, ids in crimes_by_test.items() -%}
        {%- do cases.append("when " ~ lexicon_id ~ " in ('" ~ ids | join("', '") ~ "') then " ~ test) -%}
    {%- endfor -%}
    {{- return(
        "case when " ~ lexicon_id ~ " = '' then false " ~ cases | join(' ') ~ " else "
        ~ has_hit_of(doubts, hits) ~ " end"
    ) -}}
{% endmacro %}

{#- The entries of a text in lower case, as a list. A text of several entries, as that of an audit, separates
    them by slashes. -#}
{% macro entries_of_text(text) %}
    {{- return("string_split(lower(" ~ text ~ "), ' / ')") -}}
{% endmacro %}

{#- The words of an entry, a row for each, and a blank one: it stands in each entry, because what needs no
    letters is looked for in each. -#}
{% macro words_of_entry(entry) %}
    {{- return("unnest([''] || regexp_split_to_array(" ~ entry ~ ", '[^a-z]+'))") -}}
{% endmacro %}

{#- The entries of the texts that no earlier build has read, each with its place in its text, from 1. -#}
{% macro unread_entries() %}
    select
        text_no,
        part,
        generate_subscripts(entries, 1) as entry_place,
        unnest(entries) as entry
    from (
        select
            text_no,
            part,
            {{ entries_of_text('text') }} as entries
        from {{ ref('int_disclosure__unread_texts') }}
    ) as texts
{% endmacro %}

{#-
    Where found words stand in their text: for each match a list of {start, length}. Several pieces make a match
    that runs across clauses, as these are joined by ' , ' (see `asserted`) and a clause between may be left out. If
    a piece stands in the text more than once, its first place is given.
-#}
{% macro places_of_words(words, text) %}
    {{- return(
        "list_transform(" ~ words ~ ", lambda said: list_transform(string_split(said, ' , '), lambda piece: "
        ~ "{'start': cast(instr(" ~ text ~ ", piece) as uinteger), 'length': cast(length(piece) as uinteger)}))"
    ) -}}
{% endmacro %}

{#- The words that stand at these places: the reverse of `places_of_words`. Nearly always it is one piece, for
    which half the work will do. -#}
{% macro words_of_places(places, text) %}
    {%- set first = places ~ "[1][1]" -%}
    {{- return(
        "case when len(" ~ places ~ ") = 1 and len(" ~ places ~ "[1]) = 1 then [substr(" ~ text ~ ", " ~ first
        ~ ".start, " ~ first ~ ".length)] else list_transform(" ~ places
        ~ ", lambda said: array_to_string(list_transform(said, lambda piece: substr(" ~ text
        ~ ", piece.start, piece.length)), ' , ')) end"
    ) -}}
{% endmacro %}
