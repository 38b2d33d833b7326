import type { Handlers } from '@ron/proto/contract';
import type { registryContract } from '@ron/proto/registry';

export type RegistryHandler<K extends keyof (typeof registryContract)['operations']> = Handlers<
  typeof registryContract
>[K];
