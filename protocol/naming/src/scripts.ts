/**
 * Script mixing after UTS 39 section 5, level "highly restrictive" (its requirement of recommended scripts only is
 * left out: a name may use any living or dead script, but not two that imitate each other).
 */

/** ISO 15924 codes of every script in Unicode 17; an engine that does not know one also has no letters of it. */
const scriptCodes =
  'Latn Grek Cyrl Hani Hira Kana Bopo Hang Arab Hebr Deva Thai Adlm Aghb Ahom Armi Armn Avst Bali Bamu Bass Batk Beng Berf Bhks Brah Brai Bugi Buhd Cakm Cans Cari Cham Cher Chrs Copt Cpmn Cprt Diak Dogr Dsrt Dupl Egyp Elba Elym Ethi Gara Geor Glag Gong Gonm Goth Gran Gujr Gukh Guru Hano Hatr Hluw Hmng Hmnp Hung Ital Java Kali Kawi Khar Khmr Khoj Kits Knda Krai Kthi Lana Laoo Lepc Limb Lina Linb Lisu Lyci Lydi Mahj Maka Mand Mani Marc Medf Mend Merc Mero Mlym Modi Mong Mroo Mtei Mult Mymr Nagm Nand Narb Nbat Newa Nkoo Nshu Ogam Olck Onao Orkh Orya Osge Osma Ougr Palm Pauc Perm Phag Phli Phlp Phnx Plrd Prti Rjng Rohg Runr Samr Sarb Saur Sgnw Shaw Shrd Sidd Sidt Sind Sinh Sogd Sogo Sora Soyo Sund Sunu Sylo Syrc Tagb Takr Tale Talu Taml Tang Tavt Tayo Telu Tfng Tglg Tibt Tirh Tnsa Todr Tols Toto Tutg Ugar Vaii Wara Wcho Vith Xpeo Xsux Yezi Yiii Zanb';

/** The combinations that real languages write: Japanese, Chinese with Bopomofo, Korean; each may hold Latin too. */
const combinations: readonly RegExp[] = [
  /^[\p{scx=Latn}\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}]$/u,
  /^[\p{scx=Latn}\p{scx=Hani}\p{scx=Bopo}]$/u,
  /^[\p{scx=Latn}\p{scx=Hani}\p{scx=Hang}]$/u,
];

/** Digits, punctuation and marks that belong to every script. */
const anyScript = /^[\p{scx=Common}\p{scx=Inherited}]$/u;

let testers: readonly RegExp[] | undefined;

/** True when one script, or one of the combinations above, covers all of `text`. */
export function isSingleScript(text: string): boolean {
  const characters = [...text].filter((character) => !anyScript.test(character));
  // Compiled on the first name that needs it: most names are ASCII and never do.
  testers ??= [...scriptTesters(scriptCodes.split(' ')), ...combinations];
  return testers.some((tester) => characters.every((character) => tester.test(character)));
}

/** One tester for each script that this engine's Unicode version has; letters of the others are unassigned to it. */
export function scriptTesters(codes: readonly string[]): readonly RegExp[] {
  return codes.flatMap((code) => {
    try {
      return [new RegExp(`^\\p{scx=${code}}$`, 'u')];
    } catch {
      return [];
    }
  });
}

/** A character of a script that is written from right to left. */
export const rightToLeft =
  /[\p{sc=Arab}\p{sc=Hebr}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nkoo}\p{sc=Samr}\p{sc=Mand}\p{sc=Adlm}\p{sc=Rohg}]/u;
