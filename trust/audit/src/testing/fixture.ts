import type { Disk, File } from '@ron/kernel';
import { createSimEnv, type SimEnv } from '@ron/kernel/sim';
import { createRamKms, type Kms } from '@ron/kms';
import type { AuditEntry } from '@ron/service';
import { type DiskAuditLogOptions, openDiskAuditLog } from '../index.ts';

export const origin = 'node.example/audit';

export function entryOf(at: number, more: Partial<AuditEntry> = {}): AuditEntry {
  return {
    op: 'passport.issue',
    outcome: 'ok',
    corr_id: `corr-${at}`,
    subject: 'user/alice',
    capability_id: 'cap-1',
    tenant: 'tenant-1',
    resources: ['admin/passport'],
    fields: { n: String(at) },
    ...more,
  };
}

/** Keys outlive the simulated machine's crashes. */
export function createWorld(seed: number): { readonly env: SimEnv; readonly kms: Kms } {
  return { env: createSimEnv({ seed }), kms: createRamKms(createSimEnv({ seed, name: 'keys' })) };
}

/** A disk log with small files. */
export function openLog(env: SimEnv, kms: Kms, more: Partial<DiskAuditLogOptions> = {}) {
  const sizes = { segmentBytes: 24_576, preallocateBytes: 8_192, reserveBytes: 4_096 };
  return openDiskAuditLog({ env, kms, origin, folder: 'audit', ...sizes, ...more });
}

/** Every file below `folder`, with the bytes of it. */
export async function filesOf(disk: Disk, folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of (await disk.list(folder)).toSorted()) {
    const path = `${folder}/${name}`;
    if ((await disk.stat(path))?.kind === 'directory') {
      for (const [inside, bytes] of await filesOf(disk, path)) files.set(inside, bytes);
    } else files.set(path, await bytesOf(disk, path));
  }
  return files;
}

export async function bytesOf(disk: Disk, path: string): Promise<Uint8Array> {
  await using file = await disk.open(path, 'read');
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  return bytes;
}

/** Puts a file there as it is, or takes it away. */
export async function putBytes(disk: Disk, path: string, bytes: Uint8Array | undefined): Promise<void> {
  await disk.remove(path);
  if (bytes === undefined) return;
  await using file = await disk.open(path, 'create');
  await file.write([bytes], 0);
}

/** Counts operations; from the given one on nothing answers any more, as when the machine is off. */
export class DyingDisk {
  operations = 0;
  readonly disk: Disk;
  readonly died: Promise<void>;
  readonly #at: number;
  #die: () => void = () => undefined;

  constructor(inner: Disk, at: number) {
    this.#at = at;
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
    const wrap = <T extends object>(target: T): T =>
      new Proxy(target, {
        get: (object, name) => {
          const value = Reflect.get(object, name) as unknown;
          if (typeof value !== 'function') return value;
          return (...given: unknown[]) => {
            if (name === 'readSync') return (value as (...all: unknown[]) => unknown).apply(object, given);
            return this.#step(async () => {
              const result: unknown = await (value as (...all: unknown[]) => unknown).apply(object, given);
              return name === 'open' ? wrap(result as File) : result;
            });
          };
        },
      });
    this.disk = wrap(inner);
  }

  #step<T>(operation: () => Promise<T>): Promise<T> {
    this.operations += 1;
    if (this.operations < this.#at) return operation();
    this.#die();
    return new Promise(() => undefined);
  }
}
