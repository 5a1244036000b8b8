-- How often a parked event was given another try, or given up for good. Each dead letter is good for
-- one of the two, and this number says whether it is used up.
alter table memfleet.stage_work add column redrives int not null default 0;
