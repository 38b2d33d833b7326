import { canonicalJson, type JsonValue } from '@ron/naming';
import { AuditExportHead, AuditLine, auditLimits } from '@ron/proto/audit';
import { coverOf, encodeVerifierKey, hashBytes, parseBase64, parseVerifierKey } from '@ron/tlog';
import { Value } from 'typebox/value';
import { compareHeads, type Heads, openHeads, type Trust } from './heads.ts';
import { LeafChecker } from './leaf-checker.ts';
import type { VerifyReport } from './report.ts';
import { reportOf } from './report-of.ts';

/** Characters of a line: an entry with its hash, or a head with all its hashes. */
const lineCharactersMax = 8 * auditLimits.entryBytesMax;

/** See `verifyLog`. */
export async function verifyExport(bytes: AsyncIterable<Uint8Array>, trust: Trust): Promise<VerifyReport> {
  const lines = linesOf(bytes);
  const first = await lines.next();
  const head = first.done === true ? undefined : parseLine(first.value, AuditExportHead);
  if (head === undefined) {
    await lines.return(undefined);
    const checker = new LeafChecker([]);
    checker.report('malformed', 0, 0, 'the export has no head line');
    return reportOf(checker, await openHeads(undefined, trust), { from: 0, to: 0, notKept: undefined });
  }
  const heads = await openHeads(head.checkpoint, trust);
  const checker = new LeafChecker([heads.claimed.size, heads.known?.size ?? 0]);
  const reader = new ExportReader(checker, head, heads);
  for await (const line of lines) reader.line(line);
  return reader.finish();
}

class ExportReader {
  readonly #checker: LeafChecker;
  readonly #head: AuditExportHead;
  readonly #heads: Heads;
  #next: number;
  /** Indexes passed over so far: what comes later after all is in the wrong place, not lost. */
  #passed: { from: number; to: number }[] = [];

  constructor(checker: LeafChecker, head: AuditExportHead, heads: Heads) {
    this.#checker = checker;
    this.#head = head;
    this.#heads = heads;
    this.#next = head.from;
    const { size } = heads.claimed;
    // No root tells anything about entries past the one that was signed.
    if (head.to > size) checker.report('extra', size, head.to, `the checkpoint covers ${size} entries only`);
    if (head.from > head.to) {
      checker.report('malformed', head.to, head.from, 'the export ends before it begins');
      checker.broken = true;
    }
    this.#subtrees(0, head.from, head.before);
    // Not trusted, and still no place for anything else.
    if (!head.keys.every(isKey)) checker.report('malformed', 0, 0, 'the head names a key that is none');
  }

  line(text: string): void {
    const line = parseLine(text, AuditLine);
    const index = line?.index;
    const leafHash = parseBase64(line?.leaf_hash ?? '');
    if (line === undefined || index === undefined || leafHash?.byteLength !== hashBytes) {
      this.#checker.report('malformed', this.#next, this.#next + 1, 'a line that is no entry');
      this.#checker.broken = true;
      return;
    }
    if (index >= this.#head.to) {
      this.#checker.report('extra', index, index + 1, 'an entry past the end');
    } else if (index < this.#next) {
      this.#late(index);
    } else {
      this.#pass(index);
      const entry = line.entry === null ? undefined : new TextEncoder().encode(canonicalJson(line.entry));
      this.#checker.leaf(index, leafHash, entry);
      this.#next = index + 1;
    }
  }

  #pass(index: number): void {
    if (index === this.#next) return;
    this.#checker.broken = true;
    this.#passed.push({ from: this.#next, to: index });
  }

  finish(): VerifyReport {
    const checker = this.#checker;
    const { from, to } = this.#head;
    for (const range of this.#passed) checker.report('deleted', range.from, range.to, 'entries are missing');
    if (this.#next < to) {
      checker.report('truncated', this.#next, to, 'the export ends too early');
      checker.broken = true;
    }
    const { size } = this.#heads.claimed;
    const notKept = checker.finish(to === size);
    this.#subtrees(to, Math.max(to, size), this.#head.after);
    compareHeads(checker, this.#heads, true);
    return reportOf(checker, this.#heads, { from, to, notKept });
  }

  #late(index: number): void {
    const range = this.#passed.find(({ from, to }) => from <= index && index < to);
    if (range === undefined) {
      this.#checker.report('extra', index, index + 1, 'the entry is there already');
      return;
    }
    this.#checker.report('reordered', index, index + 1, 'the entry comes after later ones');
    this.#passed = this.#passed
      .flatMap((each) =>
        each === range
          ? [
              { from: each.from, to: index },
              { from: index + 1, to: each.to },
            ]
          : [each],
      )
      .filter(({ from, to }) => from < to);
  }

  /** The hashes of the head stand for the leaves that the export leaves out. */
  #subtrees(start: number, end: number, hashes: readonly string[]): void {
    const cover = coverOf(start, end);
    if (cover.length !== hashes.length) {
      this.#checker.report('malformed', start, end, 'the head has another number of hashes than the range needs');
      this.#checker.broken = true;
      return;
    }
    for (const [at, node] of cover.entries()) {
      this.#checker.subtree(node, parseBase64(hashes[at] as string) ?? new Uint8Array(hashBytes));
    }
  }
}

/** Undefined for what is not canonical JSON of that type: a changed byte anywhere is a changed line. */
function parseLine<T extends typeof AuditExportHead | typeof AuditLine>(line: string, type: T) {
  try {
    const value: unknown = JSON.parse(line);
    if (!Value.Check(type, value) || canonicalJson(value as JsonValue) !== line) return undefined;
    return value;
  } catch (error) {
    if (error instanceof SyntaxError || (error as { code?: unknown }).code === 'bad_request') return undefined;
    throw error;
  }
}

function isKey(text: string): boolean {
  try {
    return encodeVerifierKey(parseVerifierKey(text)) === text;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'bad_request') return false;
    throw error;
  }
}

async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let rest = '';
  for await (const piece of bytes) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    // A line that never ends is told as a malformed one, piece by piece.
    if (rest.length > lineCharactersMax) {
      yield rest;
      rest = '';
    }
  }
  rest += decoder.decode();
  // Every line ends with a newline: what follows the last one is no line.
  if (rest !== '') yield `${rest}\n`;
  return undefined;
}
