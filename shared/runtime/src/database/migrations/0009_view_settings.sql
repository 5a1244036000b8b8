-- What was granted and set on a view that a rollback or another version of the code drops: the view
-- gets it back when it is made again.
create table memfleet.view_settings (
  view     text primary key,
  settings jsonb not null
);
