select
    offences.code,
    offences.name
from codes.offences as offences
inner join rules.offence_groups as groups on offences.offence_group = groups.offence_group
where groups.is_headline
order by offences.code
