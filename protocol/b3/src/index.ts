export { GroupBitmap } from './bitmap.ts';
export { CV_BYTES, GROUP_LOG_DEFAULT, GROUP_LOG_MAX, HEADER_BYTES, PARENT_BYTES } from './constants.ts';
export { VerificationError, type VerificationReason } from './errors.ts';
export {
  createTreeHasher,
  groupCv,
  hash,
  hashTree,
  type Tree,
  type TreeHasher,
  type TreeHasherOptions,
  treeFromGroupCvs,
} from './hasher.ts';
export {
  addOutboardHeader,
  createOutboardVerifier,
  type OutboardVerifier,
  type OutboardVerifierOptions,
  type ParsedOutboard,
  parseOutboard,
  stripOutboardHeader,
  verifyOutboard,
} from './outboard.ts';
export { type EncodeSliceOptions, encodeSlice, SLICE_MEDIA_TYPE, sliceSize } from './slice.ts';
export { createSliceVerifier, type SliceVerifier, type SliceVerifierOptions, verifySlice } from './slice-verifier.ts';
export { type GroupRange, groupBytes, groupCount, groupLength, groupsForRange, outboardSize } from './tree.ts';
