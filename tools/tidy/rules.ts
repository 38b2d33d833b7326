import type { Rule } from './rule.ts';
import { bannedNames } from './rules/banned-names.ts';
import { blake3Only } from './rules/blake3-only.ts';
import { crashReason } from './rules/crash-reason.ts';
import { emptyCatch } from './rules/empty-catch.ts';
import { exportForms } from './rules/export-forms.ts';
import { fileLength } from './rules/file-length.ts';
import { fileNames } from './rules/file-names.ts';
import { frameAndChunk } from './rules/frame-and-chunk.ts';
import { leftovers } from './rules/leftovers.ts';
import { machinePaths } from './rules/machine-paths.ts';
import { markdownLinks } from './rules/markdown-links.ts';
import { oneLicense } from './rules/one-license.ts';
import { packageFiles } from './rules/package-files.ts';
import { planeNames } from './rules/plane-names.ts';
import { ratchet } from './rules/ratchet.ts';
import { readmeStructure } from './rules/readme-structure.ts';

/** Every rule that `tidy` runs. */
export const rules: readonly Rule[] = [
  bannedNames,
  blake3Only,
  frameAndChunk,
  crashReason,
  planeNames,
  readmeStructure,
  fileLength,
  exportForms,
  fileNames,
  packageFiles,
  leftovers,
  machinePaths,
  emptyCatch,
  markdownLinks,
  oneLicense,
  ratchet,
];
