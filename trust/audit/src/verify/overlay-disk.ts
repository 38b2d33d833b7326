import type { Disk, File, FileStat } from '@ron/kernel';

/** One file in memory: a segment of the journal or a tile; larger ones are no part of a log. */
const fileBytesMax = 1024 * 1024 * 1024;

class NoSuchFile extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/**
 * A disk that is read and never written: changes stay in memory. Lets a log be opened as its node would open it, with
 * what lies there left as it was found.
 */
export function createOverlayDisk(disk: Disk): Disk {
  /** Undefined: removed. */
  const changed = new Map<string, { bytes: Uint8Array } | undefined>();
  const load = async (path: string): Promise<{ bytes: Uint8Array }> => {
    if (changed.has(path)) {
      const held = changed.get(path);
      if (held === undefined) throw new NoSuchFile('ENOENT');
      return held;
    }
    await using file = await disk.open(path, 'read');
    const size = await file.size();
    if (size > fileBytesMax) throw new NoSuchFile('EFBIG');
    const bytes = new Uint8Array(size);
    return { bytes: bytes.subarray(0, await file.read(bytes, 0)) };
  };
  return {
    async open(path, mode) {
      if (mode === 'create') {
        if ((await stat(path)) !== undefined) throw new NoSuchFile('EEXIST');
        changed.set(path, { bytes: new Uint8Array(0) });
      }
      const held = await load(path);
      if (mode === 'readwrite') changed.set(path, held);
      return memoryFile(held);
    },
    async list(path) {
      const names = new Set(await disk.list(path));
      for (const [name, held] of changed) {
        if (!name.startsWith(`${path}/`)) continue;
        const [first, ...rest] = name.slice(path.length + 1).split('/') as [string, ...string[]];
        if (held !== undefined) names.add(first);
        else if (rest.length === 0) names.delete(first);
      }
      return [...names];
    },
    stat,
    makeDirectory: async () => undefined,
    async rename(from, to) {
      changed.set(to, await load(from));
      changed.set(from, undefined);
    },
    async remove(path) {
      changed.set(path, undefined);
    },
    syncDirectory: async () => undefined,
    freeBytes: () => disk.freeBytes(),
    lock: (path) => disk.lock(path),
  };

  async function stat(path: string): Promise<FileStat | undefined> {
    if (!changed.has(path)) return disk.stat(path);
    const held = changed.get(path);
    return held && { kind: 'file', sizeBytes: held.bytes.byteLength };
  }
}

function memoryFile(held: { bytes: Uint8Array }): File {
  const resize = (sizeBytes: number) => {
    const next = new Uint8Array(sizeBytes);
    next.set(held.bytes.subarray(0, sizeBytes));
    held.bytes = next;
  };
  const readSync = (into: Uint8Array, offsetBytes: number) => {
    const part = held.bytes.subarray(offsetBytes, offsetBytes + into.byteLength);
    into.set(part);
    return part.byteLength;
  };
  const close = async () => undefined;
  return {
    readSync,
    read: async (into, offsetBytes) => readSync(into, offsetBytes),
    async write(pieces, offsetBytes) {
      const end = pieces.reduce((sum, piece) => sum + piece.byteLength, offsetBytes);
      // A copy, whatever was there: the piece may still be the one that was read.
      resize(Math.max(end, held.bytes.byteLength));
      let at = offsetBytes;
      for (const piece of pieces) {
        held.bytes.set(piece, at);
        at += piece.byteLength;
      }
    },
    sync: close,
    truncate: async (sizeBytes) => resize(sizeBytes),
    preallocate: async (sizeBytes) => resize(Math.max(sizeBytes, held.bytes.byteLength)),
    size: async () => held.bytes.byteLength,
    close,
    [Symbol.asyncDispose]: close,
  };
}
