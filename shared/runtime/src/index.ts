export {
  PROVIDER_ERROR_CLASSES,
  ProviderError,
  type ProviderErrorClass,
} from './providers/provider-error.ts';
