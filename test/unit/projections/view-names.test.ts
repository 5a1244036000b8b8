import { expect, test } from 'vitest';
import { viewNames } from '../../../shared/projections/src/kit/view-names.ts';

test.each([
  ['create view memory.notes as select 1', ['notes']],
  ['CREATE OR REPLACE VIEW Memory.Notes as select 1', ['notes']],
  ['create or replace recursive view "memory" . "Notes" (n) as select 1', ['Notes']],
  ['create view memory."it ""is""" as select 1', ['it "is"']],
  ['create view memory.größe as select 1', ['größe']],
  ['create view memory.a as select 1; create view memory.a as select 1', ['a']],
  ['-- create view memory.a\ncreate view memory.b as select 1', ['b']],
  ['/* create view memory.a as */ create view memory.b as select 1', ['b']],
  [`create view memory.b as select 'create view memory.a', '--' -- it''s`, ['b']],
  [`create view memory."--" as select 1; create view memory.b as select 1`, ['--', 'b']],
  ['create view other.a as select 1', []],
])('the views of `%s`', (sql, names) => {
  expect(viewNames(sql)).toEqual(names);
});
