import { matches, proseFiles, type Rule } from '../rule.ts';

/** Component groups ("data plane", "kernel plane") are another word for another thing and stay free. */
export const planeNames: Rule = {
  id: 'plane-name',
  *check(tree) {
    for (const file of proseFiles(tree)) {
      yield* matches(
        file,
        file.text,
        /\b(public|private|external|internal|outer|inner|onion|overlay|hidden|clear|dark)[ -]planes?\b/gi,
        ([text]) =>
          /^(Public|Private) Planes?$/.test(text)
            ? undefined
            : `"${text}": the planes are "Public Plane" and "Private Plane"`,
      );
    }
  },
};
