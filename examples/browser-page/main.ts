import assert from 'node:assert/strict';
import { accessSync, constants, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { startNode } from '../start-node.ts';

/**
 * A static page that puts, names and gets through the SDK. This program bundles it, serves it, starts a node that
 * allows the page's origin, and opens it in Chromium. With `--serve` it prints the link for your own browser instead.
 */
const script = await build({
  entryPoints: [join(import.meta.dirname, 'page.ts')],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
});
const files = new Map([
  ['/', { type: 'text/html', bytes: readFileSync(join(import.meta.dirname, 'page.html')) }],
  ['/page.js', { type: 'text/javascript', bytes: script.outputFiles[0]!.contents }],
]);
const server = createServer((request, response) => {
  const file = files.get(request.url ?? '');
  response.writeHead(file === undefined ? 404 : 200, { 'content-type': file?.type ?? 'text/plain' });
  response.end(file?.bytes);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const node = await startNode(['--set', `gateway.cors_origins=${origin}`]);
const link = `${origin}/#${new URLSearchParams({ node: node.url, cap: node.capability })}`;
try {
  if (process.argv.includes('--serve')) {
    console.log(link);
    await new Promise((resolve) => process.once('SIGINT', resolve));
  } else await drive(link);
} finally {
  await node[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
}

async function drive(url: string): Promise<void> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    console.log('CANNOT RUN: browser-page: no Chromium; install one or name it in RON_CHROMIUM');
    return;
  }
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
  const browser = await chromium.launch({ executablePath, headless: true, args, timeout: 60_000 });
  try {
    const page = await browser.newPage();
    page.on('console', (message) => console.log(`browser: ${message.text()}`));
    await page.goto(url);
    const log = page.locator('#log');
    await log.filter({ hasText: /done|failed/ }).waitFor({ timeout: 60_000 });
    const text = (await log.textContent()) ?? '';
    console.log(text.trimEnd());
    assert.match(text, /verified in the browser/);
    assert.match(text, /without a capability: unauthenticated\ndone/);
  } finally {
    await browser.close();
  }
}

function findChromium(): string | undefined {
  const candidates = [
    process.env['RON_CHROMIUM'],
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ];
  return candidates.find((path) => path !== undefined && isExecutable(path));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
