/**
 * Which code points a name may hold: PVALID of IDNA2008, derived as RFC 5892 section 3 says from the Unicode
 * properties of the engine that runs this. Letters younger than that engine's Unicode version are unassigned to it
 * and therefore refused.
 */

/** RFC 5892 section 2.6, the part that is valid although the properties say otherwise. */
const exceptionsValid = /^[\u00df\u03c2\u06fd\u06fe\u0f0b\u3007]$/u;

/**
 * RFC 5892 section 2.6, the part that is refused although the properties allow it: first the code points with a
 * contextual rule (we implement none, so they are refused), then the disallowed ones.
 */
const exceptionsRefused = /^[\u0375\u0660-\u0669\u06f0-\u06f9\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]$/u;

/** Section 2.2: not equal to NFKC(casefold(NFKC(cp))). */
const unstable = /^\p{Changes_When_NFKC_Casefolded}$/u;

/** Sections 2.3, 2.4 and 2.9: ignorable properties, ignorable blocks, conjoining jamo of the old Hangul. */
const ignorableProperty = /^[\p{Default_Ignorable_Code_Point}\p{White_Space}\p{Noncharacter_Code_Point}]$/u;
const ignorableBlock = /^(?:[\u20d0-\u20ff]|[\u{1d100}-\u{1d1ff}]|[\u{1d200}-\u{1d24f}])$/u;
const oldHangulJamo = /^[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]$/u;

/** Section 2.1. */
const letterDigit = /^[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]$/u;

/** `character` is one code point above U+007F. */
export function isIdnaValid(character: string): boolean {
  if (exceptionsValid.test(character)) return true;
  if (exceptionsRefused.test(character)) return false;
  return (
    letterDigit.test(character) &&
    !unstable.test(character) &&
    !ignorableProperty.test(character) &&
    !ignorableBlock.test(character) &&
    !oldHangulJamo.test(character)
  );
}
