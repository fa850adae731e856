{{ past_rows('log_actions', 'call_key') }}
