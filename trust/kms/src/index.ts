export { destructionStatement } from './destruction.ts';
export { type FileKms, openFileKms } from './file-kms.ts';
export { createUuid, formatKeyId, type KeyAlgorithm, type KeyId, parseKeyId } from './key-id.ts';
export { KeystoreError, type KeystoreRefusal } from './keystore-error.ts';
export type { FileKmsOptions } from './keystore-file.ts';
export {
  type ChangeOptions,
  type DataKey,
  type Destruction,
  type EndOptions,
  type KeyFilter,
  type KeyInfo,
  type KeyRequest,
  type KeyState,
  type Kms,
  keysMax,
  kmsLimits,
  type RewrapItem,
  type RewrapReport,
  type RewrapResult,
} from './kms.ts';
export { createRamKms } from './ram-kms.ts';
export { importPublicKey, type SigningAlgorithm, verifyRaw } from './raw-signature.ts';
export { acceptFileKms, restoreFileKms } from './restore-kms.ts';
export { type RewrapPage, type RewrapProgress, type RewrapSource, rewrapAll } from './rewrap-all.ts';
export { Secret } from './secret.ts';
