import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface, type Interface } from 'node:readline';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatDuration } from '../output/format.ts';
import type { Session } from '../session.ts';
import { type Chapter, chaptersOf, type Step } from '../tour/chapters.ts';

const noteText = 'Hello from the tour.\n';
/** For what is left when it is interrupted. */
const cleanUpMsMax = 2_000;
const page = '<!doctype html><title>tour</title><link rel="stylesheet" href="style.css"><p>Served by a name.</p>\n';

export async function runTour(session: Session, _args: string[], flags: { yes?: boolean }): Promise<undefined> {
  const { client, output, signal } = session;
  const folder = await mkdtemp(join(tmpdir(), 'ron-tour-'));
  const run = crypto.randomUUID().slice(0, 8);
  const [prefix, box] = [`tour/${run}`, `tour-${run}`];
  const startedMs = performance.now();
  try {
    await mkdir(join(folder, 'site'));
    await writeFile(join(folder, 'note.txt'), noteText);
    await writeFile(join(folder, 'second.txt'), 'A second version.\n');
    await writeFile(join(folder, 'site', 'index.html'), page);
    await writeFile(join(folder, 'site', 'style.css'), 'p { font: 2em serif }\n');
    const address = await client.blobs.address(noteText);
    using tour = new Tour(session, flags.yes === true);
    for (const chapter of chaptersOf({ folder, prefix, address, box })) {
      signal.throwIfAborted();
      if (!(await tour.show(chapter))) break;
    }
    output.result({ commands: tour.commands, took_ms: Math.round(performance.now() - startedMs) }, () =>
      output.paint(
        'bold',
        `\n${tour.commands} commands in ${formatDuration(performance.now() - startedMs)}. More: ron --help`,
      ),
    );
  } finally {
    await forget(session, prefix, box);
    await rm(folder, { recursive: true, force: true });
  }
  return undefined;
}

class Tour implements Disposable {
  commands = 0;
  readonly #session: Session;
  readonly #pauses: boolean;
  #weaker: string | undefined;
  #lines: Interface | undefined;
  #chapters = 0;

  constructor(session: Session, yes: boolean) {
    this.#session = session;
    const { output, input } = session;
    this.#pauses = !yes && !output.json && output.stdout.isTTY === true && input.isTTY === true;
  }

  /** False when the person has had enough. */
  async show({ title, text, steps }: Chapter): Promise<boolean> {
    const { output } = this.#session;
    if (this.#pauses && this.#chapters > 0 && !(await this.#goesOn())) return false;
    this.#chapters += 1;
    if (!output.json) output.stdout.write(`\n${output.paint('bold', `${this.#chapters}. ${title}`)}\n${text}\n`);
    for (const step of steps) await this.#run(step);
    return true;
  }

  async #run(step: Step): Promise<void> {
    const { output, execute, settings, signal } = this.#session;
    const shown = step.line.map(quoted).join(' ');
    if (!output.json) {
      const prompt = step.weaker ? 'RON_CAP=(the weaker one) ron' : 'ron';
      output.stdout.write(`\n${output.paint('cyan', `$ ${prompt} ${shown}`)}\n`);
    }
    const startedMs = performance.now();
    const place = ['--url', settings.url.value, ...(output.json ? ['--json'] : [])];
    const exitCode =
      step.keep === 'capability' ? this.#attenuate(step) : await execute([...place, ...this.#own(step), ...step.line]);
    signal.throwIfAborted();
    this.commands += 1;
    const tookMs = Math.round(performance.now() - startedMs);
    if (output.json) output.result({ command: `ron ${shown}`, exit_code: exitCode, took_ms: tookMs }, () => '');
    else if (step.expect !== undefined) output.stdout.write(`(exit code ${exitCode}, as it should be)\n`);
    if (exitCode !== (step.expect ?? exitCodes.ok)) {
      throw new CliError(exitCodes.other, `the tour stops: ron ${shown} ended with ${exitCode}`, {
        why: 'it should have ended otherwise; its message is above',
        next: 'ron doctor',
      });
    }
  }

  #own({ weaker }: Step): readonly string[] {
    const capability = weaker ? this.#weaker : this.#session.settings.capability.value;
    return capability === undefined ? [] : ['--cap', capability];
  }

  /** The one command whose output is a secret: its meaning is shown, the token is kept for the next steps. */
  #attenuate({ line }: Step): number {
    const { client, output } = this.#session;
    const name = line[line.indexOf('--read') + 1]!;
    this.#weaker = client.caps.attenuate({
      rights: [{ methods: ['read'], prefix: `n/${name}` }],
      expiresAtMs: Date.now() + 3_600_000,
    });
    if (!output.json) output.stdout.write('ron1_…  (the token, kept by the tour)\n');
    return exitCodes.ok;
  }

  /** A line is enough; `q`, the end of input and Ctrl-C end the tour. The terminal keeps its own handling of keys. */
  async #goesOn(): Promise<boolean> {
    const { input, output, signal } = this.#session;
    output.stderr.write('\nEnter for the next chapter, q to end: ');
    this.#lines ??= createInterface({ input, terminal: false });
    const lines = this.#lines;
    const answer = await new Promise<string | undefined>((resolve) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(undefined));
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    signal.throwIfAborted();
    return answer !== undefined && answer.trim().toLowerCase() !== 'q';
  }

  [Symbol.dispose](): void {
    this.#lines?.close();
  }
}

/** What a tour left that did not come to its end. That this fails must not hide why the tour did. */
async function forget({ client }: Session, prefix: string, box: string): Promise<void> {
  const limit = { timeoutMs: cleanUpMsMax };
  const names = async () => {
    for await (const { name } of client.names.list(`${prefix}/`, limit)) await client.names.remove(name, limit);
  };
  const messages = async () => {
    const mailbox = client.mailbox(box);
    const left = await mailbox.recv({ max: 100, ...limit });
    if (left.length > 0)
      await mailbox.ack(
        left.map(({ lease }) => lease),
        limit,
      );
  };
  await Promise.allSettled([names(), messages()]);
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
