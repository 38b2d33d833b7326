import { proseFiles, type Rule } from '../rule.ts';

const mebibyte = /\b1 ?MiB\b|\b1_?048_?576\b|\b1024 ?\* ?1024\b|\b1 << 20\b|\b0x10_?0000\b/;
const chunkBytes = /\b64 ?KiB\b|\b65_?536\b|\b64 ?\* ?1024\b|\b1 << 16\b|\b0x1_?0000\b/;
const frame = /max_?frame/i;
const chunk = /\b(?:chunk|group)[ _-]?(?:size|bytes|length)|\b(?:storage|streaming) chunk\b/i;
const specification = 'docs/specs/OAP-1.md';

/** Two layers with two numbers: an OAP frame is at most 1 MiB, a storage chunk (= b3 group) is 64 KiB. */
export const frameAndChunk: Rule = {
  id: 'frame-and-chunk',
  *check(tree) {
    for (const file of proseFiles(tree)) {
      // A test may negotiate a smaller frame, and so may a HELLO.
      if (file.isTest) continue;
      for (const [index, line] of file.text.split('\n').entries()) {
        const at = { path: file.path, line: index + 1 };
        if (frame.test(line) && !/accept_max_frame/i.test(line) && chunkBytes.test(line) && !mebibyte.test(line)) {
          yield { ...at, message: 'max_frame = 1 MiB; 64 KiB is the storage chunk, another layer' };
        }
        if (chunk.test(line) && mebibyte.test(line) && !chunkBytes.test(line)) {
          yield { ...at, message: 'the storage chunk is 64 KiB; 1 MiB is max_frame, another layer' };
        }
      }
    }
    const text = tree.file(specification)?.text;
    if (text === undefined || !text.includes('max_frame = 1 MiB')) {
      yield { path: specification, line: 1, message: 'must say "max_frame = 1 MiB"' };
    }
  },
};
