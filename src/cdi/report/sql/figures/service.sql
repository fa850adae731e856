-- Whether officers came to calls that disclose a crime, by how vulnerable the caller is.
select
    *,
    case vulnerability
        when 'any' then 'Any vulnerable' when 'none' then 'Others, to compare'
        else upper(left(vulnerability, 1)) || replace(vulnerability[2:], '_', ' ')
    end as label,
    attended_share as rate,
    recording as kind
from service_given
where is_crime_disclosed and recording <> 'none' and attended_share is not null
order by
    vulnerability = 'any' desc, vulnerability = 'none' desc, vulnerability, recording asc
