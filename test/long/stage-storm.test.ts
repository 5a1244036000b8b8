import { testStorms } from '../chaos/storm-tests.ts';

testStorms(10_000);
