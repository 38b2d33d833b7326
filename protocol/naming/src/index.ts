export {
  type Address,
  addressFromHash,
  addressHashBytes,
  etagOf,
  hashFromAddress,
  isAddress,
  parseAddress,
} from './address.ts';
export { canonicalJson, type JsonValue, jsonDepthMax } from './canonical-json.ts';
export { type EntryPath, entryPathBytesMax, entrySegmentBytesMax, parseEntryPath } from './entry-path.ts';
export {
  encodeManifest,
  findEntry,
  findEntryOrIndex,
  type Manifest,
  type ManifestEntry,
  type ManifestEntryInput,
  type ManifestMeta,
  manifestBytesMax,
  manifestEntriesMax,
  parseManifest,
} from './manifest.ts';
export {
  isName,
  type Name,
  nameBytesMax,
  nameLabelCharactersMax,
  nameLabelsMax,
  normalizeName,
  parseName,
} from './name.ts';
export { formatTenant, parseTenant, tenantBytes } from './tenant.ts';
