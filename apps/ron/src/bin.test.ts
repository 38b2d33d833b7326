import { once } from 'node:events';
import { createServer } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { runRon, timeForProcesses } from './testing/run-ron.ts';

vi.setConfig(timeForProcesses);

/** A port on which nothing listens, nor can before the test is over: a client of somebody else has it. */
async function closedPort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  await once(client, 'connect');
  return client.localPort!;
}

describe('the command, started as a process', () => {
  it('shows its help, with the exit codes, on stdout', async () => {
    const { code, stdout, stderr } = await runRon(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const command of ['put', 'get', 'name', 'mailbox', 'cap', 'passport', 'kms', 'policy', 'audit', 'doctor'])
      expect(stdout).toContain(`  ${command} `);
    expect(stdout).toContain('130 interrupted');
    expect(stdout).not.toContain('candidates for a shell');
  });

  it.each([
    [['put', '--nme', 'x', 'f'], /unknown option '--nme' \(Did you mean --name\?\)/, 'ron put --help'],
    [['ptu', 'f'], /unknown command 'ptu'/, 'ron --help'],
    [['put'], /missing required argument 'file'/, 'ron put --help'],
    [['get', 'x', '--range', '9-1'], /is not a range/, 'ron get --help'],
    [['scrub', 'stpo'], /Allowed choices are start, status, stop/, 'ron scrub --help'],
    [['cap', 'attenuate'], /say how it shall be weaker/, 'ron cap attenuate --help'],
    [['get', 'b3:123'], /is not an address/, 'ron get --help'],
    [['mailbox', 'send', 'inbox'], /say what to send/, 'ron mailbox send --help'],
    [['passport', 'issue', 'alice'], /say what it allows/, 'ron passport issue --help'],
    [['policy', 'sign', 'policy.toml'], /required option '--key <file>' not specified/, 'ron policy sign --help'],
    [['mailbox', 'dlq', 'inbox', 'purg'], /Allowed choices are ls, redrive, purge/, 'ron mailbox dlq --help'],
  ])('answers %j with three lines and exit code 2', async (line, what, next) => {
    const { code, stdout, stderr } = await runRon(line, { env: { RON_CAP: 'ron1_AA' } });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(what);
    expect(lines[1]).toBe('  why: usage');
    expect(lines[2]).toBe(`  try: ${next}`);
  });

  it('says in three lines that no node answers, exit code 6', async () => {
    const url = `http://127.0.0.1:${await closedPort()}`;
    const { code, stdout, stderr } = await runRon(['get', 'docs/readme'], { env: { RON_NODE_URL: url } });
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toEqual([
      `ron: no answer from the node at ${url}`,
      expect.stringMatching(/^ {2}why: unavailable, ECONNREFUSED, 5 attempts, corr_id [\w-]{8,64}$/),
      '  try: ron doctor',
    ]);
  });

  it('speaks JSON about errors when asked', async () => {
    const { code, stderr } = await runRon(['--json', 'get', 'x'], { env: { RON_NODE_URL: 'ftp://x' } });
    expect(code).toBe(9);
    expect(JSON.parse(stderr)).toMatchObject({ error: { why: 'configuration', exit_code: 9 } });
  });

  it('shows a bad configuration instead of stopping at it, and never the capability', async () => {
    const env = { RON_NODE_URL: 'ftp://x', RON_CAP: 'ron1_SECRET' };
    const { code, stdout } = await runRon(['config', 'show', '--origin'], { env });
    expect(code).toBe(0);
    expect(stdout).toMatch(/url +\(refused: RON_NODE_URL begins with ftp:/);
    expect(stdout).not.toContain('SECRET');
  });

  it('keeps to three lines when the URL is bad', async () => {
    const { code, stderr } = await runRon(['has', 'b3:x'], { env: { RON_NODE_URL: 'ftp://x' } });
    expect(code).toBe(9);
    expect(stderr.trimEnd().split('\n')).toHaveLength(3);
  });

  it('loads no schema library but for checking configurations, so that it starts fast', async () => {
    const tell = `import { registerHooks } from 'node:module';
      registerHooks({ resolve(name, from, next) {
        const found = next(name, from);
        if (/node_modules.(typebox|pino)/.test(found.url)) process.stderr.write('loaded ' + name + '\\n');
        return found;
      } });`;
    const env = {
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(tell)}`,
      RON_NODE_URL: `http://127.0.0.1:${await closedPort()}`,
    };
    expect((await runRon(['get', 'x'], { env })).stderr).not.toContain('loaded');
    expect((await runRon(['put', 'package.json'], { env })).stderr).not.toContain('loaded');
    expect((await runRon(['mailbox', 'send', 'inbox', 'hi'], { env })).stderr).not.toContain('loaded');
    expect((await runRon(['config', 'check', '/dev/null'], { env })).stderr).toContain('loaded typebox');
  });

  it.each(['bash', 'zsh', 'fish'])('prints a completion script for %s', async (shell) => {
    const { code, stdout } = await runRon(['completion', shell]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/ron complete --/);
  });

  it('completes commands, subcommands and options', async () => {
    const candidates = async (...words: string[]) => {
      const { stdout } = await runRon(['complete', '--', ...words]);
      return stdout.split('\n').map((line) => line.split('\t')[0]);
    };
    expect(await candidates('st')).toEqual(expect.arrayContaining(['stat', 'status']));
    expect(await candidates('name', 'r')).toEqual(expect.arrayContaining(['resolve', 'rollback', 'rm']));
    expect(await candidates('put', '--n')).toContain('--name');
    expect(await candidates('passport', 'r')).toEqual(expect.arrayContaining(['refresh', 'revoke']));
    expect(await candidates('audit', 'verify', '--c')).toContain('--checkpoint');
    expect(await candidates('mailbox', 's')).toEqual(expect.arrayContaining(['send', 'sub', 'stats']));
    expect(await candidates('mailbox', 'sub', '--no')).toContain('--no-ack');
  });

  it('doctor without a node says what is wrong and how to mend it', async () => {
    const url = `http://127.0.0.1:${await closedPort()}`;
    const { code, stdout } = await runRon(['doctor', '--json'], { env: { RON_NODE_URL: url } });
    expect(code).toBe(6);
    const findings = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'node', verdict: 'fail', fix: expect.stringMatching(/npm start/) }),
    );
    expect(findings).toContainEqual(expect.objectContaining({ check: 'capability', verdict: 'fail' }));
    expect(findings).toContainEqual(expect.objectContaining({ check: 'node binary', verdict: 'ok' }));
  });

  it('rejects wrong bytes: a lying node gives no file and exit code 7', async () => {
    const address = `b3:${'1'.repeat(64)}`;
    const lyingNode = createServer((_request, reply) => {
      const slice = Buffer.alloc(8 + 5);
      slice.writeBigUInt64LE(5n);
      slice.write('hello', 8);
      reply.writeHead(200, { 'ron-address': address, 'ron-size': '5', 'ron-name': 'x', 'ron-name-version': '1' });
      reply.end(slice);
    });
    await new Promise<void>((resolve) => lyingNode.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      lyingNode.close();
      lyingNode.closeAllConnections();
    });
    const { port } = lyingNode.address() as AddressInfo;
    const { code, stdout } = await runRon(['get', address], { env: { RON_NODE_URL: `http://127.0.0.1:${port}` } });
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' });
  });
});
