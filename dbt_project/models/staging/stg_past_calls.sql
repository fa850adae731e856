{{ past_rows('calls', 'call_key') }}
