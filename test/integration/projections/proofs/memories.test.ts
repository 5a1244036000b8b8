import { fixtures } from '../../../../shared/projections/src/projections/memories/fixtures.ts';
import { memories } from '../../../../shared/projections/src/projections/memories/projection.ts';
import { proveProjection } from '../../../support/projection-kit/prove.ts';

proveProjection(memories, { fixtures });
