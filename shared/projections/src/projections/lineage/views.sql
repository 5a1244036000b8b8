create or replace view memory.lineage as
select event_key, event_id, tenant, memory, source, type, sequence, time, correlation_id,
  causation_id
from lineage;
