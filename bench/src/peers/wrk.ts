import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from '../processes.ts';

export interface Load {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly failures: number;
}

/** One load thread: the other core belongs to the server. Throws when anything but success came back. */
export async function wrk(
  url: string,
  options: { seconds: number; connections: number; headers?: Readonly<Record<string, string>>; script?: string },
): Promise<Load> {
  const headers = Object.entries(options.headers ?? {}).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const script = options.script === undefined ? [] : ['-s', options.script];
  const text = await output(
    'wrk',
    ['-t', '1', '-c', String(options.connections), '-d', `${options.seconds}s`, ...headers, ...script, url],
    300_000,
  );
  const failures = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  if (failures > 0 || socketErrors !== null) throw new Error(`the load met failures:\n${text}`);
  return {
    requests: Number(/(\d+) requests in /.exec(text)?.[1]),
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    bytesPerSecond: bytes(/Transfer\/sec:\s+([\d.]+\w+)/.exec(text)?.[1] ?? '0B'),
    failures,
  };
}

function bytes(text: string): number {
  const [, number, unit] = /^([\d.]+)(\w+)$/.exec(text) ?? [];
  const factor = { B: 1, KB: 1_024, MB: 1_024 ** 2, GB: 1_024 ** 3 }[unit ?? 'B'] ?? 1;
  return Number(number) * factor;
}

/** A wrk script whose every PUT has other bytes and, for servers that want one, another path. */
export async function putScript(folder: string, sizeBytes: number, path: (counter: string) => string): Promise<string> {
  const file = join(folder, `put-${sizeBytes}-${path('x').replaceAll('/', '_')}.lua`);
  await writeFile(
    file,
    `
local counter = 0
local run = tostring(os.time()) .. tostring(math.random(1, 1e9))
local filler = string.rep("x", ${sizeBytes} - 40)
request = function()
  counter = counter + 1
  local stamp = string.format("%-40s", run .. "-" .. counter)
  return wrk.format("PUT", ${path('" .. run .. counter .. "')}, nil, stamp .. filler)
end
`,
  );
  return file;
}
