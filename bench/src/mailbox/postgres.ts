import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, output, start, until } from '../processes.ts';
import { bodyBytes, type Contestant, type Sample, sampleOf } from './contestant.ts';

export interface PostgresVariant {
  /** Microseconds that a commit waits for others to share its sync (`commit_delay`). */
  readonly commitDelayUs: number;
  /** Parts of the queue. A client sends to and claims from its own, so that fewer meet at the same rows. */
  readonly lanes: number;
}

const run = promisify(execFile);
/** Messages that are always there, so that a claim never comes away empty because others hold what it could see. */
const surplus = 1_024;

/** Durable in every way that it can be, and without a checkpoint in the middle of a round. */
const settings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '512MB',
  wal_buffers: '16MB',
  min_wal_size: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '1h',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_connections: '300',
  autovacuum_naptime: '1s',
  jit: 'off',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  // Into a file of its own.
  logging_collector: 'on',
  log_min_messages: 'fatal',
};

/** A table whose lease touches no index, so that it stays in its page; and more vacuum than usual. */
const schema = (lanes: number) => `
CREATE TABLE queue (id bigint GENERATED ALWAYS AS IDENTITY, lane int NOT NULL, attempt int NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT '-infinity', body text NOT NULL, PRIMARY KEY (lane, id))
  WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0);
INSERT INTO queue (lane, body) SELECT i % ${lanes}, rpad(i::text, ${bodyBytes}, 'x') FROM generate_series(1, ${surplus}) AS i;
VACUUM ANALYZE queue;
CHECKPOINT;
`;

/** Three commits. The attempt is the fencing token. */
const cycle = (lanes: number) => `
\\set n random(1, 1000000000000000)
\\set l :client_id % ${lanes}
INSERT INTO queue (lane, body) VALUES (:l, rpad((:n)::text, ${bodyBytes}, 'abcdefghijklmnopqrstuvwxyz'));
UPDATE queue SET lease_until = now() + interval '30 s', attempt = attempt + 1 WHERE lane = :l AND id = (SELECT id FROM queue WHERE lane = :l AND lease_until <= now() ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id, attempt, body \\gset
DELETE FROM queue WHERE lane = :l AND id = :id AND attempt = :attempt;
`;

/** A table as a queue, driven by pgbench: native clients on prepared statements, one thread. */
export async function startPostgres(folder: string, variant: PostgresVariant): Promise<Contestant> {
  const binaries = await binaryFolder();
  const port = await freePort();
  const data = join(folder, 'data');
  await mkdir(folder, { recursive: true });
  const as = await owner(folder);
  const program = (name: string) => [...as, join(binaries, name)];
  const [initdb, ...initArgs] = [
    ...program('initdb'),
    '-D',
    data,
    '-A',
    'trust',
    '-U',
    'bench',
    '-E',
    'UTF8',
    '--locale=C',
  ];
  await output(initdb!, [...initArgs, '--no-sync']);
  const chosen = { ...settings, port: String(port), commit_delay: String(variant.commitDelayUs) };
  const [server, ...serverArgs] = [
    ...program('postgres'),
    ...['-D', data],
    ...Object.entries(chosen).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  await using starting = new AsyncDisposableStack();
  const running = starting.use(start(server!, serverArgs));
  const target = ['-h', '127.0.0.1', '-p', String(port), '-U', 'bench'];
  const query = (sql: string) =>
    output(join(binaries, 'psql'), [...target, '-d', 'postgres', '-qAtX', '-v', 'ON_ERROR_STOP=1', '-c', sql]);
  await until(
    () =>
      output(join(binaries, 'pg_isready'), ['-q', ...target]).then(
        () => true,
        () => false,
      ),
    'postgres being ready',
  );
  const schemaFile = join(folder, 'schema.sql');
  await writeFile(schemaFile, schema(variant.lanes));
  await output(join(binaries, 'psql'), [...target, '-d', 'postgres', '-qX', '-v', 'ON_ERROR_STOP=1', '-f', schemaFile]);
  const script = join(folder, 'cycle.sql');
  await writeFile(script, cycle(variant.lanes));
  starting.move();
  return {
    name: `PostgreSQL SKIP LOCKED, commit_delay ${variant.commitDelayUs}, ${variant.lanes} lane(s)`,
    run: (clients, seconds) => pgbench(join(binaries, 'pgbench'), target, { folder, script, clients, seconds }),
    pids: async () => [running.child.pid!, ...(await childrenOf(running.child.pid!))],
    left: async () => Number(await query('SELECT count(*) FROM queue')) - surplus,
    async [Symbol.asyncDispose]() {
      // Its "fast shutdown": sessions are ended instead of waited for.
      running.child.kill('SIGINT');
      await running[Symbol.asyncDispose]();
    },
  };
}

interface Load {
  readonly folder: string;
  readonly script: string;
  readonly clients: number;
  readonly seconds: number;
}

/** Its clocks start before each session has prepared its statements: what counts is a window at the end. */
const warmSeconds = 2;
const drainSeconds = 0.25;

async function pgbench(program: string, target: readonly string[], load: Load): Promise<Sample> {
  const { folder, script, clients, seconds } = load;
  const log = join(folder, 'latency');
  await output(program, [
    ...['-n', '-f', script, '-c', String(clients), '-j', '1', '-T', String(Math.ceil(seconds + warmSeconds))],
    ...['--protocol=prepared', '--log', `--log-prefix=${log}`, ...target, 'postgres'],
  ]);
  const ended: { readonly atSeconds: number; readonly latencyMs: number }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith('latency.')) continue;
    for (const line of (await readFile(join(folder, name), 'utf8')).split('\n')) {
      // Client, transaction, microseconds that it took, script, and when it ended as seconds and microseconds.
      const [, , us, , endSeconds, endUs] = line.split(' ').map(Number);
      if (line !== '') ended.push({ atSeconds: endSeconds! + endUs! / 1e6, latencyMs: us! / 1_000 });
    }
    await rm(join(folder, name));
  }
  const last = ended.reduce((latest, { atSeconds }) => Math.max(latest, atSeconds), 0);
  const first = ended.reduce((least, { atSeconds, latencyMs }) => Math.min(least, atSeconds - latencyMs / 1_000), last);
  const to = last - drainSeconds;
  const counted = ended.filter(({ atSeconds }) => atSeconds > to - seconds && atSeconds <= to);
  return sampleOf(
    counted.map(({ latencyMs }) => latencyMs),
    seconds,
    { cycles: ended.length, seconds: last - first },
  );
}

/** The newest of the server's own folders (Debian keeps them off the PATH), or that of `postgres` on the PATH. */
export async function binaryFolder(): Promise<string> {
  const { stdout } = await run('sh', [
    '-c',
    'ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1; dirname "$(command -v postgres)" 2>/dev/null',
  ]).catch(() => ({ stdout: '' }));
  const found = stdout.split('\n').find((line) => line.startsWith('/'));
  if (found === undefined) throw new Error('postgres is not installed');
  return found;
}

/** The server refuses to run as root: then the folder, and the server, belong to another user. */
async function owner(folder: string): Promise<readonly string[]> {
  if (process.getuid?.() !== 0) return [];
  const user = await output('id', ['-u', 'postgres']).catch(() => output('id', ['-u', 'nobody']));
  const uid = Number(user);
  await chown(folder, uid, uid);
  // Temporary folders are closed to other users; passing through them is enough.
  await chmod(join(folder, '..'), 0o711);
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]);
  return stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(Number);
}
