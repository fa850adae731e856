-- the lines of a file, each with its text; a line that is not JSON has no content. The delimiter is two
-- characters that JSON never holds as they are
select
    row_number() over () as line,
    coalesce(line, '') as original,
    try_cast(line as json) as content
from
    read_csv(
        $path,
        columns = { 'line': 'VARCHAR' },
        auto_detect = false,
        header = false,
        delim = chr(1) || chr(2),
        quote = '',
        escape = '',
        max_line_size = 4194304
    )
