import { refuse } from './refuse.ts';

declare const entryPathBrand: unique symbol;

/** The path of a file inside a bundle: relative, `/`-separated, safe to join under any folder. */
export type EntryPath = string & { readonly [entryPathBrand]: true };

/** UTF-8 bytes of a whole path. */
export const entryPathBytesMax = 1024;
/** UTF-8 bytes of one segment: what common file systems hold. */
export const entrySegmentBytesMax = 255;

/** C0, DEL, C1, line and paragraph separators, bidirectional controls: they change how a path is shown or split. */
const control = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const simple = /^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/;
const encoder = new TextEncoder();

/** Accepts a path only in its canonical spelling and returns it unchanged; refuses with `bad_request`. */
export function parseEntryPath(text: string): EntryPath {
  if (text.length === 0) refuse('path.empty', 'a path is not empty');
  if (text.length > entryPathBytesMax) refuseLength();
  if (!simple.test(text)) checkUnicode(text);
  for (const segment of text.split('/')) checkSegment(segment);
  return text as EntryPath;
}

function refuseLength(): never {
  refuse('path.bytes', `a path has at most ${entryPathBytesMax} bytes of UTF-8`);
}

function checkUnicode(text: string): void {
  if (!text.isWellFormed()) refuse('path.unicode', 'a path is well-formed Unicode');
  if (encoder.encode(text).byteLength > entryPathBytesMax) refuseLength();
  if (text.includes('\\')) refuse('path.backslash', 'a path does not contain a backslash');
  if (control.test(text)) refuse('path.control', 'a path does not contain control characters');
  if (text.normalize('NFC') !== text) refuse('path.nfc', 'a path is in Unicode normalization form C');
}

function checkSegment(segment: string): void {
  if (segment.length === 0) refuse('path.segment-empty', 'a path has no leading, trailing or double "/"');
  if (segment === '.' || segment === '..') refuse('path.dots', 'a path has no "." or ".." segment');
  if (segment.length * 3 > entrySegmentBytesMax && encoder.encode(segment).byteLength > entrySegmentBytesMax) {
    refuse('path.segment-bytes', `a segment of a path has at most ${entrySegmentBytesMax} bytes of UTF-8`);
  }
}
