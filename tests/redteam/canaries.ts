import { randomBytes } from 'node:crypto';

/** Begins every planted value, so that any excerpt of one is seen that has its beginning. */
export const canaryMark = 'CNRY7f3a';
export const canary = () => `${canaryMark}${randomBytes(8).toString('hex')}`;

/** Something that the node must not have written anywhere. */
export interface Needle {
  readonly what: string;
  readonly forms: readonly Buffer[];
}

/** Something that the node has written. */
export interface Haystack {
  readonly where: string;
  readonly bytes: Buffer;
}

/** The characters that these bytes have within the base64 of any text around them. */
function withinBase64(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const first = Math.ceil((offset * 8) / 6);
    const last = Math.floor(((offset + bytes.length) * 8) / 6);
    const sure = text.slice(first, last);
    return [sure, sure.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

export function needle(what: string, secret: string | Buffer): Needle {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const texts = new Set([hex, hex.toUpperCase(), ...withinBase64(bytes)]);
  return { what, forms: [bytes, ...[...texts].map((text) => Buffer.from(text))] };
}

/** The end of a token: its tag or its secret key, which no two tokens share. */
export function tokenNeedle(what: string, token: string): Needle {
  const end = token.slice(-24);
  return { what, forms: [...needle(what, end).forms, ...needle(what, Buffer.from(end, 'base64url')).forms] };
}

/** Where what was found, with what stands around it. */
export function found(needles: readonly Needle[], haystacks: readonly Haystack[]): string[] {
  return haystacks.flatMap(({ where, bytes }) =>
    needles.flatMap(({ what, forms }) =>
      forms.flatMap((form) => {
        const at = bytes.indexOf(form);
        if (at < 0) return [];
        const around = bytes.subarray(Math.max(0, at - 200), at + form.length + 60).toString('latin1');
        return [`${what} in ${where} at ${at}: ${JSON.stringify(around)}`];
      }),
    ),
  );
}
