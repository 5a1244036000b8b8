create or replace view memory.facts as
select tenant, memory, ordinal, text, subject, predicate, object, confidence, sequence from facts;

create or replace view memory.mentions as
select tenant, memory, name, type, mentions, sequence from mentions;

create or replace view memory.entities as
select tenant, name, type, count(*) as memories, sum(mentions) as mentions
from mentions group by tenant, name, type;
