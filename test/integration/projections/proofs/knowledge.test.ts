import { fixtures } from '../../../../shared/projections/src/projections/knowledge/fixtures.ts';
import { knowledge } from '../../../../shared/projections/src/projections/knowledge/projection.ts';
import { proveProjection } from '../../../support/projection-kit/prove.ts';

proveProjection(knowledge, { fixtures });
