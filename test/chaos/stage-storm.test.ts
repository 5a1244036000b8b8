import { STAGES } from './stage-fleet.ts';
import { stormCase, testStorms } from './storm-tests.ts';

// The long tests run both orders of both stages, with 10,000 events. Both stages share the code in which
// the orders differ.
testStorms(
  300,
  STAGES.map((stageCase, index) => stormCase(stageCase, index === 0 ? 'turns' : 'log')),
);
