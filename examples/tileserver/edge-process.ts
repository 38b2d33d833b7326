import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface EdgeProcess extends AsyncDisposable {
  readonly url: string;
}

const readyMsMax = 60_000;

/** `ron edge --origin …` on a free port, until it is disposed. */
export async function startEdge(origin: string): Promise<EdgeProcess> {
  const ron = fileURLToPath(new URL('../../apps/ron/bin/ron.js', import.meta.url));
  const child = spawn(process.execPath, [ron, 'edge', '--origin', origin, '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (more: string) => {
      said += more;
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error('the edge did not get ready'));
    }, readyMsMax);
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      const found = /http:\/\/127\.0\.0\.1:[0-9]+(?=\s|")/.exec(text.replaceAll(origin, ''));
      if (found === null) return;
      clearTimeout(timer);
      resolve(found[0]);
    });
    ended.then(() => {
      clearTimeout(timer);
      reject(new Error(`the edge ended: ${said}`));
    });
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill('SIGINT');
      await ended;
    },
  };
}
