export { type FileKms, type FileKmsOptions, openFileKms, restoreFileKms } from './file-kms.ts';
export { createUuid, formatKeyId, type KeyAlgorithm, type KeyId, parseKeyId } from './key-id.ts';
export { KeystoreError, type KeystoreRefusal } from './keystore-error.ts';
export { type KeyFilter, type KeyInfo, type KeyRequest, type Kms, keysMax } from './kms.ts';
export { createRamKms } from './ram-kms.ts';
export { Secret } from './secret.ts';
