/**
 * Files. Paths are relative to the root that the adapter was made with, `/`-separated, and may not leave it.
 * Every failure rejects with the operating system's code on `error.code` (`ENOENT`, `ENOSPC`, `EIO` …).
 */
export interface Disk {
  /** `create`: must not exist; `readwrite`: must exist. New files have mode 0600. */
  open(path: string, mode: 'read' | 'readwrite' | 'create'): Promise<File>;
  /** Names in a folder, unordered; an absent folder is empty. */
  list(path: string): Promise<readonly string[]>;
  /** Undefined when nothing is there. Symbolic links are not followed: their kind is `other`. */
  stat(path: string): Promise<FileStat | undefined>;
  /** Creates the folder and its parents with mode 0700; they are durable when it resolves. */
  makeDirectory(path: string): Promise<void>;
  /** Atomic replacement. Durable only after `syncDirectory` of the target's folder. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or an empty folder; an absent one is not an error. */
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Bytes that this process could still write. */
  freeBytes(): Promise<number>;
  /**
   * Takes the folder for this process. Rejects with `EBUSY` while another live process holds it;
   * a holder that died does not count. Dispose to release.
   */
  lock(path: string): Promise<AsyncDisposable>;
}

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  /** Permission bits of a file, `0o600`; absent where the adapter knows none. */
  readonly mode?: number;
}

/** An open file. Positions are explicit: there is no cursor to share. */
export interface File extends AsyncDisposable {
  /**
   * Fills `into` from `offsetBytes`; returns the bytes read, less than asked only at the end of the file.
   * Synchronous: for at most 64 KiB, where a trip to a worker thread costs more than the read.
   */
  readSync(into: Uint8Array, offsetBytes: number): number;
  /** The same off the event loop, for larger pieces. */
  read(into: Uint8Array, offsetBytes: number): Promise<number>;
  /**
   * Writes everything or rejects; a short write is an error (`ENOSPC` when the system hides the cause). At most 32 KiB are
   * handed to the system on the spot, as `readSync` reads: a trip to a worker thread costs more than the copy.
   */
  write(pieces: readonly Uint8Array[], offsetBytes: number): Promise<void>;
  /** Data and the size needed to read it are on stable storage when this resolves. After a rejection the file's content is unknown. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** Reserves space so that later writes inside it cannot meet a full disk; the file's size becomes at least `sizeBytes`. */
  preallocate(sizeBytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}
