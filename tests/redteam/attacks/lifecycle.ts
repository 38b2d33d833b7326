import { writeFileSync } from 'node:fs';
import { run } from '../../support/child-process.ts';
import { micronodeMain, StartError, startNodeProcess } from '../../support/node-process.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { type Attack, type Evidence, Tally } from '../attack.ts';
import { isServedBy } from '../being-served.ts';
import { RawHttp } from '../raw-http.ts';
import { metricsOf, within } from '../signs.ts';

const info = ['--set', 'server.log_level=info'];
/** Only ends a wait for what will not come. */
const patienceMs = 30_000;

const badReloads: Attack = {
  name: 'configuration half-written, invalid, huge, gone, on reload',
  area: 'kernel',
  expected: 'the old one stays, the problem is in the log; a good one applies',
  quick: true,
  setting: 'alone',
  async run(evidence) {
    using folder = tempFolder();
    const file = folder.join('config.toml');
    const good = '[gateway]\nranges_max = 4\n';
    writeFileSync(file, good);
    await using node = await startNodeProcess({ args: ['--config', file, ...info] });
    const updates = async () => (await metricsOf(node.port)).get('config_updates_total') ?? 0;
    const bad: Record<string, string | Buffer> = {
      'cut in the middle': '[gateway]\nranges_max = ',
      'a wrong type': '[gateway]\nranges_max = "many"\n',
      'out of range': '[gateway]\nranges_max = 100000\n',
      'an unknown key': '[gateway]\nranges_maximum = 4\n',
      'an unknown table': '[gatway]\nranges_max = 4\n',
      'a key twice': '[gateway]\nranges_max = 4\nranges_max = 5\n',
      'no TOML': '\u0000\u0001{{{{',
      'no UTF-8': Buffer.from([0xff, 0xfe, 0x00, 0x41]),
      __proto__: '[__proto__]\nadmin = true\n',
      'unsafe without saying so': '[server]\nallow_remote = true\n',
      'deep tables': `[${'a.'.repeat(5_000)}a]\nx = 1\n`,
      '4 MiB of comment': `# ${'x'.repeat(4_194_304)}\n[gateway]\nranges_max = "many"\n`,
    };
    for (const [what, text] of Object.entries(bad)) {
      const logged = node.stderr().length;
      writeFileSync(file, text);
      const told = () => node.stderr().slice(logged).includes('the old one stays');
      evidence.check(await within(patienceMs, told), `${what}: the log does not say that the old one stays`);
      evidence.check(node.alive && (await isServedBy(node)), `${what}: nobody is served`);
    }
    evidence.check((await updates()) === 0, 'something was applied');
    const logged = node.stderr().length;
    writeFileSync(file, '[gateway]\nranges_max = 5\n');
    evidence.check(await within(patienceMs, async () => (await updates()) === 1), 'a good one does not apply');
    evidence.check(node.stderr().slice(logged).includes('ranges_max'), 'the log does not name what changed');
    evidence.saw(`${Object.keys(bad).length} bad files refused, then a good one applied`);
  },
};

const badStarts: Attack = {
  name: 'a start with a wrong file, flag, port, folder',
  area: 'kernel',
  expected: 'exit code 9, 6 or 1, three lines, no stack',
  quick: true,
  setting: 'alone',
  async run(evidence) {
    using folder = tempFolder();
    const file = folder.join('bad.toml');
    writeFileSync(file, '[gateway]\nranges_max = 0\n');
    writeFileSync(folder.join('a-file'), 'no folder');
    const starts: Record<string, readonly string[]> = {
      'a value out of range': ['--config', file],
      'a file that is not there': ['--config', folder.join('none.toml')],
      'an unknown field': ['--set', 'gateway.no_such=1'],
      'no value': ['--set', 'gateway.ranges_max'],
      'an address that is none': ['--oap', 'nowhere'],
      'a file as the folder': ['--persist', folder.join('a-file')],
      'an unknown flag': ['--no-such-flag'],
    };
    const tally = new Tally();
    await Promise.all(
      Object.entries(starts).map(async ([what, args]) => {
        const { code, stderr } = await run(process.execPath, [micronodeMain, '--listen', '127.0.0.1:0', ...args]);
        tally.add(code ?? 'signal');
        evidence.check(code !== 0 && code !== null, `${what}: exit code ${code}`);
        evidence.check(!/\n\s+at .*:\d+:\d+/.test(stderr), `${what}: a stack: ${stderr.slice(0, 300)}`);
        const lines = stderr.trim().split('\n').length;
        evidence.check(lines <= 6 && stderr.length > 10, `${what}: ${lines} lines`);
      }),
    );
    evidence.saw(`exit codes ${tally}`);
  },
};

async function stopDuringStart(evidence: Evidence, signal: 'SIGTERM' | 'SIGINT', afterMs: number): Promise<string> {
  using folder = tempFolder();
  const args = ['--persist', folder.join('data'), ...info];
  const wrapper = ['timeout', '--preserve-status', '-s', signal.slice(3), `${afterMs / 1_000}`];
  const begun = performance.now();
  const outcome = await startNodeProcess({ args, wrapper }).then(
    async (node) => {
      await node.exited;
      return 'was ready before';
    },
    (error: unknown) => (error instanceof StartError ? `exit ${error.exit.code ?? error.exit.signal}` : String(error)),
  );
  evidence.check(performance.now() - begun < 25_000, `it took ${performance.now() - begun} ms to stop`);
  // Whatever was there when it was told to stop: the next start works.
  await using node = await startNodeProcess({ args });
  evidence.check(await isServedBy(node), `after ${signal} at ${afterMs} ms the next start serves nobody`);
  return outcome;
}

const stopsDuringStart: Attack = {
  name: 'stop during start, at 20 ms to 1.2 s, on disk',
  area: 'kernel',
  expected: 'it ends; the next start works',
  quick: false,
  setting: 'alone',
  async run(evidence) {
    const tally = new Tally();
    for (const afterMs of [20, 150, 300, 500, 800, 1_200]) {
      tally.add(await stopDuringStart(evidence, afterMs % 100 === 0 ? 'SIGTERM' : 'SIGINT', afterMs));
    }
    evidence.saw(String(tally));
  },
};

const twoSignals: Attack = {
  name: 'two signals, with an upload that never ends',
  area: 'kernel',
  expected: 'the first drains, the second ends at once',
  quick: true,
  setting: 'alone',
  async run(evidence) {
    for (const [first, second] of [
      ['SIGTERM', 'SIGTERM'],
      ['SIGINT', 'SIGTERM'],
      ['SIGINT', 'SIGINT'],
    ] as const) {
      await using node = await startNodeProcess({ args: info });
      using client = new RawHttp(node.port);
      client.say(
        `PUT /put HTTP/1.1\r\nHost: n\r\nAuthorization: Bearer ${node.capability}\r\nContent-Length: 100\r\n\r\na`,
      );
      evidence.check(
        await within(patienceMs, async () => (await metricsOf(node.port)).get('inflight{service="gateway"}') === 1),
        'the upload does not begin',
      );
      node.kill(first);
      evidence.check(
        await within(patienceMs, () => node.stderr().includes('stopping')),
        'it does not say that it stops',
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      evidence.check(node.alive, 'it did not wait for the upload');
      node.kill(second);
      // Who waits for the end of its drain has no signal, but an exit code.
      const { signal } = await node.exited;
      evidence.check(signal === second, `it ended with ${signal}`);
    }
    evidence.saw('3 pairs');
  },
};

const drains: Attack = {
  name: 'stop under load: 60 requests under way, 200 more',
  area: 'kernel',
  expected: 'those under way are served, the others refused',
  quick: true,
  setting: 'alone',
  async run(evidence) {
    await using node = await startNodeProcess({ args: info });
    const clients = Array.from({ length: 60 }, () =>
      new RawHttp(node.port).say(
        `PUT /put HTTP/1.1\r\nHost: n\r\nAuthorization: Bearer ${node.capability}\r\nContent-Length: 4\r\n\r\na`,
      ),
    );
    const begun = async () => (await metricsOf(node.port)).get('inflight{service="gateway"}') === 60;
    evidence.check(await within(patienceMs, begun), 'the uploads do not begin');
    node.kill('SIGTERM');
    evidence.check(await within(patienceMs, () => node.stderr().includes('stopping')), 'it does not say that it stops');
    const tally = new Tally();
    for (const client of clients) {
      client.say('bcd');
      const reply = await client.reply().catch(() => undefined);
      tally.add(reply?.status ?? 'cut off');
      client[Symbol.dispose]();
    }
    evidence.check(tally.of(201) + tally.of(200) === 60, String(tally));
    const { code } = await node.exited;
    evidence.check(code === 0, `exit code ${code}`);
    evidence.saw(String(tally));
  },
};

export const lifecycle: readonly Attack[] = [badReloads, badStarts, stopsDuringStart, twoSignals, drains];
