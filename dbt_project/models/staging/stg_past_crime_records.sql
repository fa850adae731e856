{{ past_rows('crime_records', 'record_key') }}
