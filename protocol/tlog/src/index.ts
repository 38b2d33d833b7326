export { encodeBase64, encodeBase64Url, parseBase64, parseBase64Url } from './base64.ts';
export {
  type Checkpoint,
  encodeCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  type SignedCheckpoint,
} from './checkpoint.ts';
export { type Cosignature, cosignedMessage, createCosignature, verifyCosignature } from './cosignature.ts';
export { coverOf, Frontier, foldRight, type TreeNode, treeSizeMax } from './frontier.ts';
export {
  type Ed25519Verify,
  encodeNote,
  encodeSignatureLine,
  type Note,
  type NoteSignature,
  noteCharactersMax,
  noteSignaturesMax,
  parseNote,
  parseSignatureLines,
  verifyNote,
} from './note.ts';
export {
  type ConsistencyClaim,
  consistencyProof,
  type HashReader,
  type InclusionClaim,
  inclusionProof,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from './proof.ts';
export {
  encodeReceipt,
  encodeReceiptText,
  parseReceipt,
  type Receipt,
  type ReceiptTrust,
  receiptCharactersMax,
  type VerifiedReceipt,
  verifyReceipt,
} from './receipt.ts';
export {
  encodeBundle,
  parseBundle,
  parseTilePath,
  subtreeRoot,
  type TileName,
  type TileReader,
  tileEntryBytesMax,
  tileHashReader,
  tilePath,
  tileWidth,
  widthOfTile,
} from './tile.ts';
export { createTreeHasher, hashBytes, type Sha256, sameHash, type TreeHasher, treeHasher } from './tree-hash.ts';
export {
  createVerifierKey,
  encodeVerifierKey,
  isKeyName,
  parseVerifierKey,
  type SignatureType,
  type VerifierKey,
} from './verifier-key.ts';
