export { topologyOf } from './topology.ts';
export { compareFleet, type FleetTarget, provisionFleet } from './provision.ts';
