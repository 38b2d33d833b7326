import { matches, proseFiles, type Rule } from '../rule.ts';

/** The audit log follows a standard that has another hash; nothing else may name it. */
const audit = /^(trust\/audit\/|protocol\/tlog\/|docs\/(specs|decisions|runbooks)\/[^/]*audit)/;

export const blake3Only: Rule = {
  id: 'blake3-only',
  *check(tree) {
    for (const file of proseFiles(tree)) {
      if (audit.test(file.path)) continue;
      yield* matches(
        file,
        file.text,
        /sha[-_ ]?256/gi,
        'content addresses are BLAKE3 (b3:…); the other hash belongs to trust/audit and protocol/tlog only',
      );
    }
  },
};
