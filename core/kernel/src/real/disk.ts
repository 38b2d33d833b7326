import fs from 'node:fs';
import { promisify } from 'node:util';
import type { Disk, File, FileStat } from '../env/disk.ts';
import { splitDiskPath } from '../env/disk-path.ts';
import { errorCode, SystemError } from '../env/system-error.ts';
import { lockFolder } from './disk-lock.ts';
import { RealFile } from './file.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants;
const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);

const openFlags = {
  read: O_RDONLY,
  readwrite: O_RDWR,
  create: O_RDWR | O_CREAT | O_EXCL,
} as const;

/**
 * A folder of this machine. The root may be a symbolic link, once, when the disk is made; below it none is followed.
 * The folder is private to the user (0700): the check is against links left there, not against a race with another process of the same user.
 */
export function createRealDisk(root: string): Disk {
  return new RealDisk(root);
}

class RealDisk implements Disk {
  readonly #root: string;

  constructor(root: string) {
    fs.mkdirSync(root, { recursive: true, mode: 0o700 });
    this.#root = fs.realpathSync(root);
  }

  async open(path: string, mode: 'read' | 'readwrite' | 'create'): Promise<File> {
    // A FIFO without O_NONBLOCK would hold a worker thread for ever.
    const fd = await open(this.#resolve(path), openFlags[mode] | O_NOFOLLOW | O_NONBLOCK, 0o600);
    try {
      const stat = fs.fstatSync(fd);
      if (stat.isDirectory()) throw new SystemError('EISDIR', 'a folder is not a file');
      if (!stat.isFile()) throw new SystemError('EINVAL', 'not a regular file');
    } catch (error) {
      await close(fd);
      throw error;
    }
    return new RealFile(fd);
  }

  async list(path: string): Promise<readonly string[]> {
    try {
      const real = this.#resolve(path);
      this.#checkNoLink(real);
      return await fs.promises.readdir(real);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async stat(path: string): Promise<FileStat | undefined> {
    try {
      const stat = await fs.promises.lstat(this.#resolve(path));
      const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other';
      if (kind !== 'file') return { kind, sizeBytes: 0 };
      return { kind, sizeBytes: stat.size, mode: stat.mode & 0o777 };
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async makeDirectory(path: string): Promise<void> {
    let parent = this.#root;
    for (const name of splitDiskPath(path)) {
      const folder = `${parent}/${name}`;
      try {
        await fs.promises.mkdir(folder, { mode: 0o700 });
        await syncFolder(parent);
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
        const stat = fs.lstatSync(folder);
        if (stat.isSymbolicLink()) throw new SystemError('ELOOP', 'symbolic links are not followed');
        if (!stat.isDirectory()) throw error;
      }
      parent = folder;
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await fs.promises.rename(this.#resolve(from), this.#resolve(to));
  }

  async remove(path: string): Promise<void> {
    if (splitDiskPath(path).length === 0) throw new SystemError('EINVAL', 'the root stays');
    try {
      const real = this.#resolve(path);
      if (fs.lstatSync(real).isDirectory()) await fs.promises.rmdir(real);
      else await fs.promises.unlink(real);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }

  async syncDirectory(path: string): Promise<void> {
    await syncFolder(this.#resolve(path));
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await fs.promises.statfs(this.#root);
    return bavail * bsize;
  }

  async lock(path: string): Promise<AsyncDisposable> {
    const real = this.#resolve(path);
    this.#checkNoLink(real);
    return lockFolder(real);
  }

  /** Every folder on the way must be a real one; the last name is left to the call, which does not follow it. */
  #resolve(path: string): string {
    const names = splitDiskPath(path);
    let real = this.#root;
    for (let i = 0; i < names.length; i++) {
      if (i > 0) this.#checkNoLink(real);
      real = `${real}/${names[i]}`;
    }
    return real;
  }

  /** Synchronous: two microseconds for a cached inode, where a trip to a worker thread takes twenty. */
  #checkNoLink(real: string): void {
    if (fs.lstatSync(real, { throwIfNoEntry: false })?.isSymbolicLink()) {
      throw new SystemError('ELOOP', 'symbolic links are not followed');
    }
  }
}

async function syncFolder(real: string): Promise<void> {
  const fd = await open(real, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    await fsync(fd);
  } finally {
    await close(fd);
  }
}

/** The disk of a node that keeps nothing: every call is a defect of the caller and says so. */
export function createNoDisk(): Disk {
  const refuse = () => Promise.reject(new SystemError('ENODISK', 'this node keeps nothing on disk'));
  return {
    open: refuse,
    list: refuse,
    stat: refuse,
    makeDirectory: refuse,
    rename: refuse,
    remove: refuse,
    syncDirectory: refuse,
    freeBytes: refuse,
    lock: refuse,
  };
}
