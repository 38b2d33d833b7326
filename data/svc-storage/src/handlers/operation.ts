import type { Handlers } from '@ron/proto/contract';
import type { storageContract } from '@ron/proto/storage';

/** The handler type of one operation of the storage contract. */
export type StorageHandler<Name extends keyof Handlers<typeof storageContract>> = Handlers<
  typeof storageContract
>[Name];
