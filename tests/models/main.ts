import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `npm run models`: checks every model here with Spin, the right ones and the broken ones. Needs `spin` and a C compiler. */
interface Check {
  readonly title: string;
  readonly defines: readonly string[];
  /** A formula of the model; undefined: its assertions and dead ends only. */
  readonly formula?: string;
  /** Undefined: the model holds. Otherwise the checker has to report this. */
  readonly finds?: RegExp;
}

const model = 'mailbox-lease.pml';
const depthMax = 1_000_000;
/** Milliseconds for one command; the largest model takes seconds. */
const commandMsMax = 300_000;
const assertion = /assertion violated/;
const cycle = /acceptance cycle/;
const twoCrashes = ['WORKERS=2', 'CRASHES=2', 'RELEASES=0', 'REDRIVES=0', 'GIVES_UP'];

const checks: readonly Check[] = [
  { title: '2 workers, release, redrive, any number of crashes', defines: ['WORKERS=2'] },
  { title: '3 workers, redrive, any number of crashes', defines: ['WORKERS=3', 'RELEASES=0'] },
  { title: 'what was acknowledged stays done', defines: ['WORKERS=2'], formula: 'final' },
  { title: 'every message ends, 1 crash', defines: ['WORKERS=2', 'CRASHES=1', 'GIVES_UP'], formula: 'ends' },
  { title: 'every message ends, 2 crashes', defines: twoCrashes, formula: 'ends' },
  { title: 'broken: fence not compared', defines: ['WORKERS=2', 'NO_FENCE_CHECK'], finds: assertion },
  {
    title: 'broken: lease answered before it is durable',
    defines: ['WORKERS=2', 'LEASE_NOT_DURABLE'],
    finds: assertion,
  },
  { title: 'broken: ack answered before it is durable', defines: ['WORKERS=2', 'ACK_BEFORE_SYNC'], finds: assertion },
  {
    title: 'broken: the same, by what was acknowledged',
    defines: ['WORKERS=2', 'ACK_BEFORE_SYNC'],
    formula: 'final',
    finds: assertion,
  },
  { title: 'broken: redrive starts the fence again', defines: ['WORKERS=2', 'REDRIVE_RESETS_FENCE'], finds: assertion },
  {
    title: 'broken: leases forgotten by the clock at a restart',
    defines: [...twoCrashes, 'TIMER_FORGOTTEN'],
    formula: 'ends',
    finds: cycle,
  },
];

function run(folder: string, command: string, args: readonly string[]): string {
  const { error, status, signal, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: commandMsMax,
    maxBuffer: 2 ** 26,
  });
  if (error !== undefined) throw new Error(`${command} cannot run: ${error.message}`, { cause: error });
  if (status !== 0) throw new Error(`${command} ended with ${status ?? signal}:\n${stdout}${stderr}`);
  return stdout;
}

/** Throws when the verdict is not the expected one. */
function verify({ title, defines, formula, finds }: Check): void {
  const folder = mkdtempSync(join(tmpdir(), 'ron-model-'));
  try {
    copyFileSync(join(import.meta.dirname, model), join(folder, model));
    run(folder, 'spin', ['-a', ...defines.map((define) => `-D${define}`), model]);
    // NFAIR: room for the fairness counters of all processes.
    const kind = formula === undefined ? ['-DSAFETY', '-DNOCLAIM'] : ['-DNFAIR=3'];
    run(folder, 'gcc', ['-O2', '-w', ...kind, '-o', 'pan', 'pan.c']);
    const search = formula === undefined ? [] : ['-a', ...(formula === 'ends' ? ['-f'] : []), '-N', formula];
    const output = run(folder, './pan', [`-m${depthMax}`, ...search]);
    const states = Number(/(\d+(?:\.\d+e\+\d+)?) states, stored/.exec(output)?.[1]);
    const errors = Number(/errors: (\d+)/.exec(output)?.[1]);
    const complaint = /^pan:\d+: (.*)$/m.exec(output)?.[1] ?? '';
    const cut = /search not completed|max search depth too small|out of memory/i.test(output);
    const ok = finds === undefined ? errors === 0 && !cut : errors > 0 && finds.test(complaint);
    if (!ok) throw new Error(`${title}: not the expected verdict\n${output}`);
    const verdict = finds === undefined ? 'holds in all' : 'found in';
    const what = finds === undefined ? '' : `: ${complaint.replaceAll(/\s+/g, ' ')}`;
    process.stdout.write(`${title}: ${verdict} ${states.toLocaleString('en')} states${what}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let failed = 0;
for (const check of checks) {
  try {
    verify(check);
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAIL ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
process.stdout.write(`${checks.length - failed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
