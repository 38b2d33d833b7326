import { encodeSlice, groupBytes, groupLength } from '@ron/b3';
import type { ByteStream } from '@ron/proto/stream';
import type { GroupSet } from '../group-set.ts';
import type { Blobs } from '../serve-ports.ts';
import type { TestObject } from './fake-peers.ts';

/** Objects in memory, whole unless `partly` says which groups are there. Counts the slices that are being read. */
export class MemoryBlobs implements Blobs {
  readonly #objects: ReadonlyMap<string, TestObject>;
  readonly #partly: ReadonlyMap<string, GroupSet>;
  open = 0;
  /** A read that never ends. */
  hangs = false;

  constructor(objects: readonly TestObject[], partly: ReadonlyMap<string, GroupSet> = new Map()) {
    this.#objects = new Map(objects.map((object) => [object.address, object]));
    this.#partly = partly;
  }

  async stat(address: string) {
    const object = this.#objects.get(address);
    return object && { size: object.bytes.length, groups: this.#partly.get(address) ?? ('all' as const) };
  }

  async *outboard(address: string): ByteStream {
    yield this.#objects.get(address)!.tree.outboard;
  }

  async *slice(address: string, start: number, length: number): ByteStream {
    const { bytes, tree } = this.#objects.get(address)!;
    this.open += 1;
    try {
      if (this.hangs) await new Promise(() => undefined);
      yield* encodeSlice({
        outboard: tree.outboard,
        size: bytes.length,
        start,
        length,
        readGroup: (group) =>
          bytes.slice(group * groupBytes(), group * groupBytes() + groupLength(bytes.length, group)),
      });
    } finally {
      this.open -= 1;
    }
  }
}
