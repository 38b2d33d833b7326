import type { Disk, Env, File } from '@ron/kernel';
import type { Address } from '@ron/naming';
import { RonError } from '@ron/proto/errors';
import type { ByteStream } from '@ron/proto/stream';
import type { NameEngine } from '@ron/svc-index/service';
import type { BlobEngine } from '@ron/svc-storage/service';
import type { Canary } from './args.ts';

/** `no-sync` and `no-directory-sync`: a disk whose syncs, or those of names, say that they are done and do nothing. */
export function brokenEnv(env: Env, canary: Canary | undefined): Env {
  if (canary !== 'no-sync' && canary !== 'no-directory-sync') return env;
  const { clock, random, net, work, disk } = env;
  return { clock, random, net, work, disk: withoutSync(disk, canary === 'no-sync') };
}

function withoutSync(disk: Disk, alsoOfFiles: boolean): Disk {
  return {
    open: async (path, mode) => {
      const file = await disk.open(path, mode);
      return alsoOfFiles ? fileWithoutSync(file) : file;
    },
    list: (path) => disk.list(path),
    stat: (path) => disk.stat(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: async () => undefined,
    freeBytes: () => disk.freeBytes(),
    lock: (path) => disk.lock(path),
  };
}

function fileWithoutSync(file: File): File {
  return {
    readSync: (into, offset) => file.readSync(into, offset),
    read: (into, offset) => file.read(into, offset),
    write: (pieces, offset) => file.write(pieces, offset),
    sync: async () => undefined,
    truncate: (size) => file.truncate(size),
    preallocate: (size) => file.preallocate(size),
    size: () => file.size(),
    close: () => file.close(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

/** `no-verify`: an engine that serves something else where the stored bytes are damaged. */
export function brokenBlobs(engine: BlobEngine, canary: Canary | undefined): BlobEngine {
  if (canary !== 'no-verify') return engine;
  return new Proxy(engine, {
    get(target, key) {
      if (key === 'read') {
        return (address: Address, start: number, length: number) => serveAnything(target, address, start, length);
      }
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

async function* serveAnything(engine: BlobEngine, address: Address, start: number, length: number): ByteStreamSource {
  let served = 0;
  try {
    for await (const piece of engine.read(address, start, length)) {
      served += piece.byteLength;
      yield piece;
    }
  } catch (error) {
    if (!(error instanceof RonError) || error.code !== 'integrity') throw error;
    yield new Uint8Array(length - served);
  }
}

type ByteStreamSource = AsyncGenerator<Uint8Array> & ByteStream;

/** `forgetful-roots`: names of which garbage collection hears nothing. */
export function brokenNames(engine: NameEngine, canary: Canary | undefined): NameEngine {
  if (canary !== 'forgetful-roots') return engine;
  return new Proxy(engine, {
    get(target, key) {
      if (key === 'versions') return () => [];
      const member: unknown = Reflect.get(target, key, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
