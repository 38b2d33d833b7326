export interface RememberedKey {
  /** Sixteen bytes as a binary string. */
  readonly digest: string;
  /** A ULID. */
  readonly id: string;
  /** Forgotten from then on. An integer. */
  readonly untilMs: number;
}

// Words of 32 bits in the record of an entry: 64 bytes, a line of the processor's cache.
const hashWord = 0;
const digestWord = 4;
const idWord = 8;
const untilLowWord = 12;
const untilHighWord = 13;
/** The record after this one in its bucket or among the free, plus one; 0 ends the chain. */
const nextWord = 14;
/** Where the heap has the record. */
const placeWord = 15;
const recordWords = 16;

const chunkBits = 8;
const chunkRecords = 1 << chunkBits;
const bucketBits = 10;
const bucketsMin = 1 << bucketBits;
/** Entries of a bucket on average, past which buckets are added. */
const bucketLoad = 2;
const wordMs = 2 ** 32;
const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** More than this many entries are never held, whatever is asked for: places are 32-bit numbers. */
const entriesLimit = 2 ** 31;

/**
 * Remembers hash → (digest, id, until) in about 72 bytes an entry, 64 of them its record. Memory comes in small chunks,
 * and the hash table grows by one bucket at a time (linear hashing: Litwin, VLDB 1980), so that no call stops for the
 * growth of a large table. A binary heap has the entries in the order in which they are forgotten, whatever the order
 * in which they come; in the usual one an insertion costs one comparison.
 *
 * Half of the hash chooses the bucket, mixed with a seed that nobody else knows: whoever tries many keys to find some
 * whose hashes begin alike does not know which bucket they come to.
 */
export class IdempotencyTable {
  #entriesMax = 0;
  #size = 0;
  /** Records that were ever used since the table was last empty. */
  #used = 0;
  /** The first free record plus one. */
  #free = 0;
  readonly #records: Uint32Array[] = [];
  readonly #heap: Uint32Array[] = [];
  /** The first record of each bucket, plus one. */
  readonly #buckets: Uint32Array[] = [new Uint32Array(bucketsMin)];
  #mask = bucketsMin - 1;
  /** Buckets below this one are split already. */
  #split = 0;
  readonly #key = new Uint32Array(4);
  readonly #seed: number;

  /** `seed`: 32 random bits. */
  constructor(entriesMax: number, seed: number) {
    this.#seed = seed;
    this.entriesMax = entriesMax;
  }

  /** What is forgotten and was not dropped yet counts. */
  get size(): number {
    return this.#size;
  }

  get entriesMax(): number {
    return this.#entriesMax;
  }

  /** A lower limit drops nothing: nothing new is remembered until enough was forgotten. */
  set entriesMax(entriesMax: number) {
    if (!(Number.isSafeInteger(entriesMax) && entriesMax >= 0)) throw new RangeError(`${entriesMax} is not a count`);
    this.#entriesMax = Math.min(entriesMax, entriesLimit);
  }

  find(hash: string, nowMs: number): RememberedKey | undefined {
    packBytes(hash, this.#key, 0);
    const record = this.#lookup();
    return record === -1 || this.#untilOf(record) <= nowMs ? undefined : this.#read(record);
  }

  /**
   * Takes the place of what is remembered under the same hash. False: as many as may be are remembered and none of them
   * has expired. Throws RangeError when the hash or digest is not 16 bytes, the id not a ULID, or the time not an integer.
   */
  remember(hash: string, key: RememberedKey, nowMs: number): boolean {
    assertKey(key);
    packBytes(hash, this.#key, 0);
    let record = this.#lookup();
    if (record === -1) {
      while (this.#size >= this.#entriesMax) if (this.expire(nowMs, 1) === 0) return false;
      record = this.#add();
    }
    const words = this.#recordsOf(record);
    const base = baseOf(record);
    packBytes(key.digest, words, base + digestWord);
    packUlid(key.id, words, base + idWord);
    words[base + untilLowWord] = key.untilMs % wordMs;
    words[base + untilHighWord] = Math.floor(key.untilMs / wordMs);
    this.#settle(record, words[base + placeWord]!);
    return true;
  }

  forget(hash: string): void {
    packBytes(hash, this.#key, 0);
    const record = this.#lookup();
    if (record !== -1) this.#remove(record);
  }

  /** Drops at most `max` expired entries, those that expired first before the others. Returns how many. */
  expire(nowMs: number, max: number): number {
    let dropped = 0;
    while (dropped < max && this.nextMs() <= nowMs) {
      this.#remove(this.#heapAt(0));
      dropped += 1;
    }
    return dropped;
  }

  /** When the first entry is forgotten; Infinity when empty. */
  nextMs(): number {
    return this.#size === 0 ? Infinity : this.#untilOf(this.#heapAt(0));
  }

  /** All that were not dropped, in no order. The table must not change meanwhile. */
  *entries(): Generator<[hash: string, key: RememberedKey]> {
    for (let place = 0; place < this.#size; place += 1) {
      const record = this.#heapAt(place);
      yield [unpackBytes(this.#recordsOf(record), baseOf(record) + hashWord), this.#read(record)];
    }
  }

  #read(record: number): RememberedKey {
    const words = this.#recordsOf(record);
    const base = baseOf(record);
    const untilMs = this.#untilOf(record);
    return { digest: unpackBytes(words, base + digestWord), id: unpackUlid(words, base + idWord), untilMs };
  }

  #recordsOf(record: number): Uint32Array {
    return this.#records[record >>> chunkBits]!;
  }

  #untilOf(record: number): number {
    const words = this.#recordsOf(record);
    const base = baseOf(record);
    return words[base + untilHighWord]! * wordMs + words[base + untilLowWord]!;
  }

  #bucketOf(first: number, second: number): number {
    // Multipliers and shifts of MurmurHash3's finaliser.
    let hash = Math.imul(first ^ this.#seed, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15) ^ second, 0xc2b2ae35);
    hash ^= hash >>> 13;
    hash = Math.imul(hash, 0x85ebca6b);
    hash ^= hash >>> 16;
    const bucket = hash & this.#mask;
    return bucket < this.#split ? (hash & (2 * this.#mask + 1)) >>> 0 : bucket;
  }

  /** The record whose hash is in `#key`, or -1. */
  #lookup(): number {
    const key = this.#key;
    const first = key[0]!;
    const second = key[1]!;
    const third = key[2]!;
    const fourth = key[3]!;
    const bucket = this.#bucketOf(first, second);
    let link = this.#buckets[bucket >>> bucketBits]![bucket & (bucketsMin - 1)]!;
    while (link !== 0) {
      const words = this.#recordsOf(link - 1);
      const base = baseOf(link - 1);
      if (
        words[base] === first &&
        words[base + 1] === second &&
        words[base + 2] === third &&
        words[base + 3] === fourth
      ) {
        return link - 1;
      }
      link = words[base + nextWord]!;
    }
    return -1;
  }

  /** A record with the hash in `#key`, last in the heap until its time is known. */
  #add(): number {
    let record = this.#free - 1;
    if (record === -1) {
      record = this.#used++;
      if (record >>> chunkBits === this.#records.length) {
        this.#records.push(new Uint32Array(chunkRecords * recordWords));
        this.#heap.push(new Uint32Array(chunkRecords));
      }
    } else this.#free = this.#recordsOf(record)[baseOf(record) + nextWord]!;
    this.#recordsOf(record).set(this.#key, baseOf(record) + hashWord);
    this.#link(record, this.#bucketOf(this.#key[0]!, this.#key[1]!));
    this.#put(record, this.#size++);
    if (this.#size > bucketLoad * (this.#mask + 1 + this.#split)) this.#splitBucket();
    return record;
  }

  #link(record: number, bucket: number): void {
    const buckets = this.#buckets[bucket >>> bucketBits]!;
    this.#recordsOf(record)[baseOf(record) + nextWord] = buckets[bucket & (bucketsMin - 1)]!;
    buckets[bucket & (bucketsMin - 1)] = record + 1;
  }

  #splitBucket(): void {
    const source = this.#split;
    const added = this.#mask + 1 + source;
    if (added >>> bucketBits === this.#buckets.length) this.#buckets.push(new Uint32Array(bucketsMin));
    this.#split += 1;
    if (this.#split > this.#mask) {
      this.#mask = 2 * this.#mask + 1;
      this.#split = 0;
    }
    const buckets = this.#buckets[source >>> bucketBits]!;
    let link = buckets[source & (bucketsMin - 1)]!;
    buckets[source & (bucketsMin - 1)] = 0;
    while (link !== 0) {
      const words = this.#recordsOf(link - 1);
      const base = baseOf(link - 1);
      const next = words[base + nextWord]!;
      this.#link(link - 1, this.#bucketOf(words[base + hashWord]!, words[base + hashWord + 1]!));
      link = next;
    }
  }

  #remove(record: number): void {
    this.#unlink(record);
    const words = this.#recordsOf(record);
    const base = baseOf(record);
    this.#size -= 1;
    const place = words[base + placeWord]!;
    const last = this.#heapAt(this.#size);
    if (last !== record) this.#settle(last, place);
    words[base + nextWord] = this.#free;
    this.#free = record + 1;
    if (this.#size === 0) this.#clear();
  }

  #unlink(record: number): void {
    const words = this.#recordsOf(record);
    const base = baseOf(record);
    const bucket = this.#bucketOf(words[base + hashWord]!, words[base + hashWord + 1]!);
    let holder = this.#buckets[bucket >>> bucketBits]!;
    let at = bucket & (bucketsMin - 1);
    while (holder[at] !== record + 1) {
      const before = holder[at]! - 1;
      holder = this.#recordsOf(before);
      at = baseOf(before) + nextWord;
    }
    holder[at] = words[base + nextWord]!;
  }

  /** Gives back what a full table needed. Nothing is in it, so one chunk of each kind is all there is to reset. */
  #clear(): void {
    this.#records.length = 1;
    this.#heap.length = 1;
    this.#buckets.length = 1;
    this.#mask = bucketsMin - 1;
    this.#split = 0;
    this.#used = 0;
    this.#free = 0;
  }

  #heapAt(place: number): number {
    return this.#heap[place >>> chunkBits]![place & (chunkRecords - 1)]!;
  }

  #put(record: number, place: number): void {
    this.#heap[place >>> chunkBits]![place & (chunkRecords - 1)] = record;
    this.#recordsOf(record)[baseOf(record) + placeWord] = place;
  }

  /** Puts a record, for which `from` is free, where its time belongs. */
  #settle(record: number, from: number): void {
    const untilMs = this.#untilOf(record);
    let place = from;
    while (place > 0) {
      const parent = this.#heapAt((place - 1) >>> 1);
      if (this.#untilOf(parent) <= untilMs) break;
      this.#put(parent, place);
      place = (place - 1) >>> 1;
    }
    for (let child = 2 * place + 1; child < this.#size; child = 2 * place + 1) {
      if (child + 1 < this.#size && this.#untilOf(this.#heapAt(child + 1)) < this.#untilOf(this.#heapAt(child))) {
        child += 1;
      }
      const lower = this.#heapAt(child);
      if (this.#untilOf(lower) >= untilMs) break;
      this.#put(lower, place);
      place = child;
    }
    this.#put(record, place);
  }
}

/** Where a record starts in its chunk. */
function baseOf(record: number): number {
  return (record & (chunkRecords - 1)) * recordWords;
}

/** Everything is checked before anything changes. */
function assertKey({ digest, id, untilMs }: RememberedKey): void {
  if (!isBytes(digest)) throw new RangeError('the digest is not 16 bytes');
  if (!/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(id)) throw new RangeError('the id is not a ULID');
  if (!(Number.isSafeInteger(untilMs) && untilMs >= 0))
    throw new RangeError(`${untilMs} is not a time in milliseconds`);
}

function isBytes(text: string): boolean {
  let all = 0;
  for (let at = 0; at < text.length; at += 1) all |= text.charCodeAt(at);
  return text.length === 16 && all <= 0xff;
}

function packBytes(text: string, words: Uint32Array, at: number): void {
  if (!isBytes(text)) throw new RangeError('the hash is not 16 bytes');
  for (let word = 0; word < 4; word += 1) {
    const from = 4 * word;
    words[at + word] =
      text.charCodeAt(from) |
      (text.charCodeAt(from + 1) << 8) |
      (text.charCodeAt(from + 2) << 16) |
      (text.charCodeAt(from + 3) << 24);
  }
}

function unpackBytes(words: Uint32Array, at: number): string {
  let text = '';
  for (let word = at; word < at + 4; word += 1) {
    const bits = words[word]!;
    text += String.fromCharCode(bits & 0xff, (bits >>> 8) & 0xff, (bits >>> 16) & 0xff, bits >>> 24);
  }
  return text;
}

/** 26 digits of five bits, the last one lowest: 128 bits, for the first is at most 7. */
function packUlid(id: string, words: Uint32Array, at: number): void {
  words.fill(0, at, at + 4);
  for (let digit = 0; digit < 26; digit += 1) {
    const value = crockford.indexOf(id[25 - digit]!);
    const word = (5 * digit) >>> 5;
    const shift = (5 * digit) & 31;
    words[at + word]! |= value << shift;
    if (shift > 27 && word < 3) words[at + word + 1]! |= value >>> (32 - shift);
  }
}

function unpackUlid(words: Uint32Array, at: number): string {
  let id = '';
  for (let digit = 25; digit >= 0; digit -= 1) {
    const word = (5 * digit) >>> 5;
    const shift = (5 * digit) & 31;
    let value = words[at + word]! >>> shift;
    if (shift > 27 && word < 3) value |= words[at + word + 1]! << (32 - shift);
    id += crockford[value & 31]!;
  }
  return id;
}
