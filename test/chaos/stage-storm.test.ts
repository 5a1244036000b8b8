import { STAGES } from './stage-fleet.ts';
import { stormCase, testStorms } from './storm-tests.ts';

// The long tests have both orders of both stages, with 10,000 events. What differs between the orders
// is the same code in both stages.
testStorms(
  300,
  STAGES.map((stageCase, index) => stormCase(stageCase, index === 0 ? 'turns' : 'log')),
);
