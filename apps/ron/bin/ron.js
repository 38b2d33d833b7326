#!/usr/bin/env node
// Runs under any Node from 20 on: the command itself is TypeScript and needs the Node that the project pins.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const majorMin = 24;
const configurationExit = 9;

if (majorOf(process.versions.node) >= majorMin) {
  module.enableCompileCache?.();
  const { main } = await import('../src/main.ts');
  process.exitCode = await main(process.argv.slice(2));
} else {
  const node = pinnedNode();
  if (node === undefined) refuse();
  else run(node);
}

function majorOf(version) {
  return Number.parseInt(version, 10);
}

/** The nearest `node_modules/.bin/node` that is new enough. Its version stands in its package: nothing is started to ask. */
function pinnedNode() {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', '.bin', 'node');
    if (existsSync(candidate)) {
      const manifest = join(dirname(realpathSync(candidate)), '..', 'package.json');
      if (existsSync(manifest) && majorOf(JSON.parse(readFileSync(manifest, 'utf8')).version) >= majorMin)
        return candidate;
    }
    if (dirname(folder) === folder) return undefined;
  }
}

function refuse() {
  console.error(`ron: this needs Node ${majorMin} or newer, and here is ${process.versions.node}`);
  console.error('  why: configuration (the Node that the project brings along is not installed)');
  console.error('  try: npm ci');
  process.exitCode = configurationExit;
}

function run(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];
  for (const signal of forwarded) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`ron: ${node} does not start: ${error.message}`);
    console.error('  why: configuration');
    console.error('  try: npm ci');
    process.exitCode = configurationExit;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}
