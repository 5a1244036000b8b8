import { fixtures } from '../../../../shared/projections/src/projections/lineage/fixtures.ts';
import { lineage } from '../../../../shared/projections/src/projections/lineage/projection.ts';
import { proveProjection } from '../../../support/projection-kit/prove.ts';

proveProjection(lineage, { fixtures });
