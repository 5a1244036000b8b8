import { proveProjection } from '../../../support/projection-kit/prove.ts';
import { fixtures } from '../notes/fixtures.ts';
import { notes } from '../notes/projection.ts';

proveProjection(notes, { fixtures });
