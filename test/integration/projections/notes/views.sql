create or replace view memory.notes as select tenant, memory, content from notes;
