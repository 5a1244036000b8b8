-- A projection has one next generation at most: of two, a promotion would take the one with the lower
-- number, which a rollback has just replaced. Where a rollback and a rebuild have made two, the one that
-- was live before gives way, as it would have if the rollback had seen the other.
update memfleet.projection_generations as demoted set state = 'previous'
  where state = 'next' and demoted_at is not null and exists (
    select from memfleet.projection_generations as other
    where other.projection = demoted.projection and other.generation <> demoted.generation
      and other.state = 'next'
  );
create unique index projection_generations_next on memfleet.projection_generations (projection)
  where state = 'next';
