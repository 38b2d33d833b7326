import { createHash, createPublicKey, generateKeyPairSync, verify as opensslVerify, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cosignedMessage,
  createCosignature,
  createVerifierKey,
  type Ed25519Verify,
  encodeCheckpoint,
  encodeNote,
  encodeReceipt,
  encodeReceiptText,
  encodeSignatureLine,
  encodeVerifierKey,
  inclusionProof,
  openCheckpoint,
  parseBase64,
  parseBase64Url,
  parseCheckpoint,
  parseNote,
  parseReceipt,
  parseSignatureLines,
  parseVerifierKey,
  receiptCharactersMax,
  type SignatureType,
  treeHasher,
  treeRoot,
  verifyCosignature,
  verifyNote,
  verifyReceipt,
} from './index.ts';

const vector = JSON.parse(
  readFileSync(new URL('../../../docs/specs/vectors/tlog-note.json', import.meta.url), 'utf8'),
) as { readonly verifier_key: string; readonly note: string };

const verify: Ed25519Verify = (publicKey, message, signature) => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') };
  return opensslVerify(null, message, createPublicKey({ key: jwk, format: 'jwk' }), signature);
};

function makeKey(name: string, type: SignatureType = 'ed25519') {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x as string, 'base64url');
  const key = createVerifierKey(name, type, new Uint8Array(raw));
  return { key, sign: (message: string | Uint8Array) => new Uint8Array(sign(null, Buffer.from(message), privateKey)) };
}

const log = makeKey('example.com/audit');
const leaves = Array.from({ length: 5 }, (_, at) => new TextEncoder().encode(`{"entry":${at}}`));
const read = async (nodes: readonly { readonly level: number; readonly index: number }[]) =>
  nodes.map(({ level, index }) => rootOf(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)));
function rootOf(part: readonly Uint8Array[]): Uint8Array {
  if (part.length === 1) return treeHasher.leaf(part[0] as Uint8Array);
  return treeHasher.node(rootOf(part.slice(0, part.length / 2)), rootOf(part.slice(part.length / 2)));
}
const checkpointText = async (size = 5, root?: Uint8Array) =>
  encodeCheckpoint({ origin: 'example.com/audit', size, root: root ?? (await treeRoot(size, read)), extensions: [] });
const signed = (text: string, signer = log) =>
  encodeNote({ text, signatures: [{ name: signer.key.name, keyId: signer.key.id, signature: signer.sign(text) }] });

describe('verifier keys', () => {
  test('the published one is read, and written the same', () => {
    const key = parseVerifierKey(vector.verifier_key);
    expect(key).toMatchObject({ name: 'example.com/foo', id: 0x530d903a, type: 'ed25519' });
    expect(encodeVerifierKey(key)).toBe(vector.verifier_key);
  });

  test('an id is the first 32 bits of the hash of name, newline, type and key', () => {
    for (const [type, byte] of [
      ['ed25519', 1],
      ['cosignature', 4],
    ] as const) {
      const { key } = makeKey('a.example/x', type);
      const hash = createHash('sha256').update('a.example/x\n').update(Uint8Array.of(byte)).update(key.publicKey);
      expect(key.id).toBe(hash.digest().readUInt32BE(0));
      expect(parseVerifierKey(encodeVerifierKey(key))).toEqual(key);
    }
  });

  test('a changed character anywhere is refused', () => {
    for (let at = 0; at < vector.verifier_key.length; at += 1) {
      const changed = vector.verifier_key[at] === 'a' ? 'b' : 'a';
      const text = vector.verifier_key.slice(0, at) + changed + vector.verifier_key.slice(at + 1);
      expect(() => parseVerifierKey(text), text).toThrow();
    }
    for (const text of ['', 'a', 'a+b', 'a b+00000000+AA==', 'x+00000000+', `${vector.verifier_key}+`]) {
      expect(() => parseVerifierKey(text)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
    expect(() => parseVerifierKey(`${vector.verifier_key}AAAA`)).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    );
    expect(() => createVerifierKey('a b', 'ed25519', new Uint8Array(32))).toThrow(RangeError);
    expect(() => createVerifierKey('a', 'ed25519', new Uint8Array(31))).toThrow(RangeError);
  });
});

describe('notes', () => {
  test('the published one is verified by its key', async () => {
    const note = parseNote(vector.note);
    expect(note.text).toBe('This is an example message.\n');
    expect(encodeNote(note)).toBe(vector.note);
    expect(await verifyNote(note, [parseVerifierKey(vector.verifier_key)], verify)).toHaveLength(1);
  });

  test('every changed byte is refused', async () => {
    const bytes = Buffer.from(vector.note);
    const keys = [parseVerifierKey(vector.verifier_key)];
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      const check = async () => verifyNote(parseNote(changed.toString('utf8')), keys, verify);
      await expect(check(), `byte ${at}`).rejects.toMatchObject({ code: 'bad_request' });
    }
  });

  test('signatures of strangers are passed over, none but theirs is refused, a wrong one of a known key too', async () => {
    const text = await checkpointText();
    const other = makeKey('example.com/audit');
    const line = ({ key, sign: make }: typeof log, over = text) => ({
      name: key.name,
      keyId: key.id,
      signature: make(over),
    });
    const both = parseNote(encodeNote({ text, signatures: [line(other), line(log)] }));
    expect(await verifyNote(both, [log.key], verify)).toEqual([log.key]);
    const twice = { text, signatures: [line(log), line(log)] };
    expect(await verifyNote(twice, [log.key], verify)).toEqual([log.key]);
    await expect(verifyNote(parseNote(signed(text, other)), [log.key], verify)).rejects.toThrow('no known key');
    const wrong = { text, signatures: [line(log, 'else'), line(log)] };
    await expect(verifyNote(wrong, [log.key], verify)).rejects.toThrow('signature is wrong');
  });

  test('have 1 to 16 signatures, no control characters and a blank line', () => {
    const line = encodeSignatureLine({ name: 'a', keyId: 1, signature: new Uint8Array(64) });
    for (const count of [1, 15, 16]) expect(parseSignatureLines(line.repeat(count))).toHaveLength(count);
    for (const bad of ['', line.repeat(17), line.slice(0, -1), `x${line}`, '— a\n', '— a AAAA\n', '— a+b AAAAAAA=\n']) {
      expect(() => parseSignatureLines(bad)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
    for (const bad of [`text\n${line}`, `te\txt\n\n${line}`, `te\ud800\n\n${line}`, 'x'.repeat(131_073)]) {
      expect(() => parseNote(bad)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
  });
});

describe('checkpoints', () => {
  test('go there and back', async () => {
    const text = await checkpointText(4);
    expect(encodeCheckpoint(parseCheckpoint(text))).toBe(text);
    const opened = await openCheckpoint(signed(text), [log.key], verify);
    expect(opened).toMatchObject({ origin: 'example.com/audit', size: 4, extensions: [], signers: [log.key] });
    expect(parseCheckpoint(`${text}extension\n`).extensions).toEqual(['extension']);
  });

  test('of another origin are refused whoever signed them', async () => {
    const text = (await checkpointText()).replace('example.com/audit', 'example.com/other');
    await expect(openCheckpoint(signed(text), [log.key], verify)).rejects.toMatchObject({ code: 'bad_request' });
  });

  test('of any other form are refused', () => {
    const root = `${'A'.repeat(43)}=`;
    for (const bad of [`\n1\n${root}\n`, `o\n01\n${root}\n`, `o\n-1\n${root}\n`, `o\n1\n${root}`, `o\n1\nAAAA\n`]) {
      expect(() => parseCheckpoint(bad), bad).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
    for (const size of ['9007199254740992', '1e3', '', '0x1']) {
      expect(() => parseCheckpoint(`o\n${size}\n${root}\n`)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    }
    expect(() => parseCheckpoint('o\n')).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(parseCheckpoint(`o\n9007199254740991\n${root}\n`).size).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => parseCheckpoint(`o\n1\n${root}\n\nx\n`)).toThrow();
  });
});

describe('cosignatures', () => {
  const witness = makeKey('witness.example/w', 'cosignature');
  const at = 1_679_315_147;

  test('are over header, time and the whole text', async () => {
    const text = await checkpointText();
    expect(new TextDecoder().decode(cosignedMessage(text, at))).toBe(`cosignature/v1\ntime ${at}\n${text}`);
    const line = createCosignature(witness.key, at, witness.sign(cosignedMessage(text, at)));
    expect(await verifyCosignature(text, line, witness.key, verify)).toEqual({ witness: witness.key, atSeconds: at });
    for (let bit = 0; bit < line.signature.byteLength * 8; bit += 1) {
      const signature = line.signature.slice();
      signature[bit >> 3] = (signature[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(await verifyCosignature(text, { ...line, signature }, witness.key, verify)).toBeUndefined();
    }
    expect(await verifyCosignature(`${text}x\n`, line, witness.key, verify)).toBeUndefined();
    expect(
      await verifyCosignature(text, line, makeKey('witness.example/w', 'cosignature').key, verify),
    ).toBeUndefined();
    const asLog = createVerifierKey(witness.key.name, 'ed25519', witness.key.publicKey);
    expect(await verifyCosignature(text, line, asLog, verify)).toBeUndefined();
    expect(() => createCosignature(witness.key, 0.5, new Uint8Array(64))).toThrow(RangeError);
    expect(
      await verifyCosignature(text, { ...line, signature: new Uint8Array(64) }, witness.key, () => true),
    ).toBeUndefined();
    const late = { ...line, signature: Uint8Array.of(0, 32, 0, 0, 0, 0, 0, 0, ...line.signature.slice(8)) };
    expect(await verifyCosignature(text, late, witness.key, () => true)).toBeUndefined();
  });
});

describe('receipts', () => {
  const make = async (index = 3, entry: Uint8Array | undefined = leaves[index]) => ({
    index,
    entry,
    proof: await inclusionProof(index, 5, read),
    checkpoint: signed(await checkpointText()),
  });
  const trust = { keys: [encodeVerifierKey(log.key)], verify };

  test('prove their entry offline, as text and as a header', async () => {
    const receipt = await make();
    for (const text of [encodeReceiptText(receipt), encodeReceipt(receipt)]) {
      expect(parseReceipt(text)).toEqual(receipt);
      const verified = await verifyReceipt(text, trust);
      expect(verified).toMatchObject({ index: 3, entry: leaves[3], checkpoint: { size: 5 }, cosignatures: [] });
    }
    expect(encodeReceipt(receipt)).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(encodeReceiptText(receipt).split('\n')[0]).toBe('c2sp.org/tlog-proof@v1');
  });

  test('the one of the vectors proves its entry, with its witness', async () => {
    const given = JSON.parse(
      readFileSync(new URL('../../../docs/specs/vectors/tlog-receipt.json', import.meta.url), 'utf8'),
    ) as { readonly [name in 'verifier_key' | 'witness_key' | 'text' | 'header']: string } & { leaves: string[] };
    const keys = [given.verifier_key];
    for (const text of [given.text, given.header]) {
      const found = await verifyReceipt(text, { keys, verify, witnesses: [given.witness_key] });
      expect([found.index, found.checkpoint.size, found.cosignatures.length]).toEqual([1, 3, 1]);
      expect(new TextDecoder().decode(found.entry)).toBe(given.leaves[1]);
    }
    expect(encodeReceipt(parseReceipt(given.text))).toBe(given.header);
  });

  test('every single-bit change is refused', async () => {
    const bytes = Buffer.from(encodeReceiptText(await make()));
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      await expect(verifyReceipt(changed.toString('base64url'), trust), `bit ${bit}`).rejects.toThrow();
    }
  });

  test('of other keys, other entries and other places are refused', async () => {
    const receipt = await make();
    const codeOf = async (text: string, more: object = {}) =>
      verifyReceipt(text, { ...trust, ...more }).then(
        () => 'accepted',
        (error: { code?: string }) => error.code,
      );
    const text = encodeReceipt(receipt);
    expect(await codeOf(text, { keys: [makeKey('example.com/audit').key] })).toBe('integrity');
    expect(await codeOf(text, { entry: leaves[2] })).toBe('integrity');
    expect(await codeOf(encodeReceipt({ ...receipt, index: 2 }))).toBe('integrity');
    expect(await codeOf(encodeReceipt({ ...receipt, entry: undefined }))).toBe('bad_request');
    expect(await codeOf(encodeReceipt({ ...receipt, entry: undefined }), { entry: leaves[3] })).toBe('accepted');
    expect(await codeOf('not base64url!')).toBe('bad_request');
    expect(await codeOf('')).toBe('bad_request');
  });

  test('an entry that would not fit is left out, at the limit and one past it', async () => {
    const base = await make(0, new Uint8Array(0));
    const lengthOf = (bytes: number) => encodeReceipt({ ...base, entry: new Uint8Array(bytes) }).length;
    const without = encodeReceipt({ ...base, entry: undefined }).length;
    let fits = 0;
    for (let bytes = 3_001; bytes < 4_800; bytes += 1) if (lengthOf(bytes) > without) fits = bytes;
    expect(lengthOf(fits)).toBeLessThanOrEqual(receiptCharactersMax);
    expect(lengthOf(fits + 1)).toBe(without);
    expect(fits).toBeGreaterThan(3_000);
    expect(fits).toBeLessThan(4_799);
  });

  test('show which witnesses saw the checkpoint', async () => {
    const witness = makeKey('witness.example/w', 'cosignature');
    const text = await checkpointText();
    const line = encodeSignatureLine(createCosignature(witness.key, 7, witness.sign(cosignedMessage(text, 7))));
    const receipt = { ...(await make()), checkpoint: signed(text) + line };
    const { cosignatures } = await verifyReceipt(encodeReceipt(receipt), { ...trust, witnesses: [witness.key] });
    expect(cosignatures).toEqual([{ witness: witness.key, atSeconds: 7 }]);
  });

  test('count a witness once, however often it signed and was asked for', async () => {
    const witness = makeKey('witness.example/w', 'cosignature');
    const text = await checkpointText();
    const lineAt = (at: number) =>
      encodeSignatureLine(createCosignature(witness.key, at, witness.sign(cosignedMessage(text, at))));
    const receipt = { ...(await make()), checkpoint: signed(text) + lineAt(7) + lineAt(9) + lineAt(8) };
    const witnesses = [witness.key, encodeVerifierKey(witness.key)];
    const { cosignatures } = await verifyReceipt(encodeReceipt(receipt), { ...trust, witnesses });
    expect(cosignatures).toEqual([{ witness: witness.key, atSeconds: 9 }]);
  });

  test('of another form are refused', async () => {
    const text = encodeReceiptText(await make());
    const bad = (why: string, receipt: string) =>
      expect(() => parseReceipt(receipt), why).toThrow(expect.objectContaining({ code: 'bad_request' }));
    bad('no lines', text.replace(/@v1\n[\s\S]*?\n\n/, '@v1\n\n'));
    bad('another version', text.replace('@v1', '@v11'));
    bad('an index past 2^53-1', text.replace('index 3', 'index 9007199254740992'));
    const [hash] = /^[A-Za-z0-9+/]{43}=$/m.exec(text) as RegExpExecArray;
    const proofOf = (hashes: number) => text.replace(/(index 3\n)[\s\S]*?\n\n/, `$1${`${hash}\n`.repeat(hashes)}\n`);
    expect(parseReceipt(proofOf(64)).proof).toHaveLength(64);
    bad('65 hashes', proofOf(65));
    bad('a header longer than any', 'A'.repeat(2 * receiptCharactersMax + 4));
    bad('a text longer than any', text.replace('extra ', `extra ${'AAAA'.repeat(65_536)}`));
  });
});

test('base 64 has one text for some bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(parseBase64(Buffer.from(bytes).toString('base64'))).toEqual(bytes);
      expect(parseBase64Url(Buffer.from(bytes).toString('base64url'))).toEqual(bytes);
    }),
  );
  for (const bad of ['A', 'AA', 'AAA', 'AB==', 'AAB=', 'A===', 'AA==AA==', ' AAA', 'AA-_']) {
    expect(parseBase64(bad), bad).toBeUndefined();
  }
  for (const bad of ['A', 'AB', 'AA==', 'AA+/']) expect(parseBase64Url(bad), bad).toBeUndefined();
});
