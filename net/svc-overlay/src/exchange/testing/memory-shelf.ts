import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { CopyShelf } from '../copies/copy-ports.ts';
import type { TestObject } from './fake-peers.ts';

/** Storage of one node. What it has survives its restart; bytes can be damaged. */
export class MemoryShelf implements CopyShelf {
  readonly durability = 'fsync';
  readonly objects = new Map<string, { readonly object: TestObject; state: string; readonly pins: Set<string> }>();

  put(object: TestObject): void {
    const known = this.objects.get(object.address);
    if (known !== undefined) known.state = 'live';
    else this.objects.set(object.address, { object, state: 'live', pins: new Set() });
  }

  stat(address: string) {
    const found = this.objects.get(address);
    return found && { sizeBytes: found.object.bytes.length, state: found.state };
  }

  async *read(address: string, start: number, length: number): ByteStream {
    yield this.objects.get(address)!.object.bytes.subarray(start, start + length);
  }

  pins(address: string): readonly string[] {
    return [...(this.objects.get(address)?.pins ?? [])];
  }

  async setPin(address: string, text: string, isSet: boolean): Promise<void> {
    const found = this.objects.get(address);
    if (found === undefined && isSet) throw new RonError('not_found', 'no such object');
    if (isSet) found!.pins.add(text);
    else found?.pins.delete(text);
  }

  *entries() {
    for (const [address, { object }] of this.objects) yield { address, sizeBytes: object.bytes.length };
  }
}
