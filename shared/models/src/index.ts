export { classifyProviderError, responseError } from './classify.ts';
export { Budget, BudgetSpent } from './budget.ts';
export { CallLimit } from './call-limit.ts';
export type { Cost } from './cost.ts';
export {
  type Answer,
  type Asker,
  type Paid,
  PaidCalls,
  type PaidCallsOptions,
  type Question,
} from './paid-calls.ts';
export { faultOfUse } from './model-use.ts';
export { RateLimiter } from './limiter.ts';
export { ProviderState } from './provider-state.ts';
export { addSpend, EVERY_TENANT, readSpend, type Spent } from './spend.ts';
export {
  PROVIDER_ERROR_CLASSES,
  ProviderError,
  type ProviderErrorClass,
} from './provider-error.ts';
export { ProviderGate } from './provider-gate.ts';
export { type PaidResult, ResultCache, resultKey, storeResults } from './result-cache.ts';
export type { Pause } from './pause.ts';
