-- A cost that was no number made the spending of the whole stage none either, and its budget refused every
-- call until the hour or the day was over. What was spent is lost there: it counts as nothing. The lock keeps
-- older processes from adding another between the two statements.
lock table memfleet.spend in access exclusive mode;
update memfleet.spend set cost_usd = 0 where not (cost_usd >= 0 and cost_usd < 'Infinity');
update memfleet.spend
  set calls = greatest(calls, 0), input_tokens = greatest(input_tokens, 0),
    output_tokens = greatest(output_tokens, 0)
  where calls < 0 or input_tokens < 0 or output_tokens < 0;
-- To PostgreSQL NaN is larger than Infinity.
alter table memfleet.spend add constraint spend_is_a_number check (
  calls >= 0 and input_tokens >= 0 and output_tokens >= 0 and cost_usd >= 0 and cost_usd < 'Infinity'
);
