import { testStorms } from './storm-tests.ts';

// The long tests have one with 10,000.
testStorms(300);
