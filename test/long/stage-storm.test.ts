import { STAGES } from '../chaos/stage-fleet.ts';
import { stormCase, testStorms } from '../chaos/storm-tests.ts';

testStorms(
  10_000,
  STAGES.flatMap((stageCase) => [stormCase(stageCase, 'log'), stormCase(stageCase, 'turns')]),
);
