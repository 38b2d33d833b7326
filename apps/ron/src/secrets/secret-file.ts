import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { configurationError } from '../cli-error.ts';

/** Any of these in a mode: others of this machine can read or change the file. */
const othersMask = 0o077;
/** A key with both algorithms, a passport, a token: far below. */
const secretBytesMax = 65_536;

/**
 * The text of a file that holds a secret. Refuses one that others may read or write, as ssh does: what was readable
 * once counts as known. Checked on the open file, so that nothing can be exchanged in between.
 */
export function readSecretFile(path: string): string {
  // A pipe that nobody writes to would be waited for without end.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) {
      throw configurationError(`${path} is no file: a secret comes from a file, or from stdin as -`, `ls -l ${path}`);
    }
    if ((mode & othersMask) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      throw configurationError(`${path} holds a secret and others may read it (mode ${shown})`, `chmod 600 ${path}`);
    }
    if (size > secretBytesMax) throw configurationError(`${path} is too large for a secret`, `ls -l ${path}`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

export interface WriteSecretOptions {
  /** Take the place of what is there. Default: refused, as `EEXIST`. */
  readonly replace: boolean;
}

/** Writes a file of mode 0600: there whole and on disk, or not at all. */
export async function writeSecretFile(path: string, text: string, { replace }: WriteSecretOptions): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const target = replace ? `${path}.${randomBytes(6).toString('hex')}.tmp` : path;
  const file = await open(target, flags, 0o600);
  try {
    try {
      // Whatever the umask left of it.
      await file.chmod(0o600);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    if (replace) await rename(target, path);
  } catch (thrown) {
    await rm(target, { force: true });
    throw thrown;
  }
}
