import { isIdnaValid } from './idna.ts';
import { refuse } from './refuse.ts';
import { isSingleScript, rightToLeft } from './scripts.ts';

declare const nameBrand: unique symbol;

/** `label(/label)*`. Text of this type is in its only spelling: equal names are equal strings. */
export type Name = string & { readonly [nameBrand]: true };

/** UTF-8 bytes of a whole name, slashes included. */
export const nameBytesMax = 253;
export const nameLabelsMax = 16;
/** Code points of one label. */
export const nameLabelCharactersMax = 63;

const asciiName = /^[a-z0-9._/-]+$/;
const encoder = new TextEncoder();

/**
 * Accepts a name only in its canonical spelling and returns it unchanged, so parsing twice changes nothing and a
 * permission checked on the text is a permission on the name. Refuses with `bad_request`; `details.rule` is one of
 * the ids in docs/specs/naming.md. At most 253 bytes are ever looked at.
 */
export function parseName(text: string): Name {
  if (text.length === 0) refuse('name.empty', 'a name is not empty');
  if (text.length > nameBytesMax) refuseLength();
  const ascii = asciiName.test(text);
  if (!ascii) checkUnicode(text);
  const labels = text.split('/');
  if (labels.length > nameLabelsMax) refuse('name.labels', `a name has at most ${nameLabelsMax} labels`);
  for (const label of labels) checkLabel(label, ascii);
  return text as Name;
}

export function isName(text: string): text is Name {
  try {
    parseName(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The name that a person probably meant: NFC and lower case applied, then parsed. For command lines and forms;
 * a server parses and never repairs.
 */
export function normalizeName(text: string): Name {
  if (text.length > nameBytesMax * 4) refuseLength();
  return parseName(text.normalize('NFC').toLowerCase().normalize('NFC'));
}

function refuseLength(): never {
  refuse('name.bytes', `a name has at most ${nameBytesMax} bytes of UTF-8`);
}

function checkUnicode(text: string): void {
  if (!text.isWellFormed()) refuse('name.unicode', 'a name is well-formed Unicode');
  if (encoder.encode(text).byteLength > nameBytesMax) refuseLength();
  if (text.normalize('NFC') !== text) refuse('name.nfc', 'a name is in Unicode normalization form C');
  if (/\p{Changes_When_Lowercased}/u.test(text)) refuse('name.case', 'a name is lower case');
}

function checkLabel(label: string, ascii: boolean): void {
  if (label.length === 0)
    refuse('name.label-empty', 'a label of a name is not empty: no leading, trailing or double "/"');
  const characters = ascii ? label.length : [...label].length;
  if (characters > nameLabelCharactersMax) {
    refuse('name.label-length', `a label has at most ${nameLabelCharactersMax} characters`);
  }
  if (/^[.-]|[.-]$/.test(label)) refuse('name.label-edge', 'a label neither begins nor ends with "." or "-"');
  if (label.includes('..')) refuse('name.dots', 'a label does not contain ".."');
  if (label.startsWith('xn--')) refuse('name.punycode', 'a label is written in its own letters, not as "xn--"');
  if (!ascii) checkLetters(label);
}

function checkLetters(label: string): void {
  for (const character of label) {
    const valid = character <= '\u007f' ? /[a-z0-9._-]/.test(character) : isIdnaValid(character);
    if (!valid) refuse('name.character', `a name cannot hold ${codePointOf(character)}`);
  }
  // RFC 5891 section 4.2.3.2: a mark at the start would attach to the slash before it.
  if (/^\p{M}/u.test(label)) refuse('name.mark', 'a label does not begin with a combining mark');
  // UTS 39 section 5.4: stacked marks hide letters.
  if (/\p{Mn}{5}|(\p{Mn})\1/u.test(label)) refuse('name.mark', 'a label holds no pile of combining marks');
  if (!isSingleScript(label)) refuse('name.scripts', 'a label does not mix scripts whose letters look alike');
  if (/[0-9]/.test(label) && /[^\p{ASCII}]/u.test(label) && /(?![0-9])\p{Nd}/u.test(label)) {
    refuse('name.digits', 'a label uses one set of digits');
  }
  // A shorter form of RFC 5893 rule 1 and 3: what surrounds right-to-left text must not be reordered into it.
  if (rightToLeft.test(label) && !/^\p{L}(.*[\p{L}\p{M}\p{Nd}])?$/u.test(label)) {
    refuse('name.bidi', 'a right-to-left label begins with a letter and ends with a letter or digit');
  }
}

function codePointOf(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}
