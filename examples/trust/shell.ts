import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ron = fileURLToPath(new URL('../../apps/ron/bin/ron.js', import.meta.url));
/** What is typed is `npx ron …`; here it is the same program without the search of npx. */
const npx = 'npx() { shift; "$PINNED_NODE" "$RON_PROGRAM" "$@"; }\n';
const commandMsMax = 60_000;
/** Capabilities, refresh tokens and bootstrap secrets, with as much of them as may be seen. */
const secretPattern = /\b(ron[a-z0-9]{0,3}_[\w-]{6})[\w-]{8,}/g;

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs command lines as a user types them, in one folder, and prints each before its output. */
export class Shell {
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  #transcript = '';
  #commands = 0;

  constructor(folder: string) {
    const { PATH, HOME, TMPDIR } = process.env;
    this.#folder = folder;
    this.#environment = { PATH, HOME, TMPDIR, NO_COLOR: '1', PINNED_NODE: process.execPath, RON_PROGRAM: ron };
  }

  /** All that was printed. */
  get transcript(): string {
    return this.#transcript;
  }

  get commands(): number {
    return this.#commands;
  }

  say(text: string): void {
    const shown = text.replace(secretPattern, '$1…');
    this.#transcript += `${shown}\n`;
    console.log(shown);
  }

  export(name: string, value: string): void {
    this.#environment[name] = value;
    this.say(`$ export ${name}=${value}`);
  }

  unset(name: string): void {
    delete this.#environment[name];
    this.say(`$ unset ${name}`);
  }

  /** Fails unless the line ends with `exitCode`. `onAnswer` is called when the first of stdout comes. */
  async run(line: string, exitCode = 0, onAnswer?: () => void): Promise<Ran> {
    this.say(`$ ${line}`);
    this.#commands += 1;
    const ran = await this.#spawn(line, onAnswer);
    for (const text of [ran.stdout, ran.stderr]) {
      if (text !== '') this.say(text.trimEnd().replace(/^/gm, '    '));
    }
    if (exitCode !== 0) this.say(`    (exit code ${ran.code})`);
    assert.equal(ran.code, exitCode, `the exit code of: ${line}`);
    return ran;
  }

  #spawn(line: string, onAnswer?: () => void): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = spawn('/bin/sh', ['-c', npx + line], {
        cwd: this.#folder,
        env: this.#environment,
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: commandMsMax,
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (more: string) => {
        if (stdout === '') onAnswer?.();
        stdout += more;
      });
      child.stderr.setEncoding('utf8').on('data', (more: string) => {
        stderr += more;
      });
      child.once('error', reject);
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    });
  }
}

/** Of a refusal that the command line printed. */
export function corrIdOf({ stderr }: Ran): string {
  const corrId = /corr_id ([0-9a-f]{32})/.exec(stderr)?.[1];
  assert.ok(corrId, 'the refusal names its corr_id');
  return corrId;
}
