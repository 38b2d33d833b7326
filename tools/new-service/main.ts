import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { readTree } from '../tree.ts';
import { scaffold } from './scaffold.ts';

const usage = 'usage: npm run new-service -- <name> [--layer data|front|trust|net] [--app 0x8001]';

/** `node tools/new-service/main.ts <name>` adds a service package that passes the gate, and says what is left to do. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { layer: { type: 'string', default: 'data' }, app: { type: 'string' }, root: { type: 'string' } },
});
const root = values.root ?? join(import.meta.dirname, '../..');
const [name] = positionals;

if (name === undefined || positionals.length > 1) {
  console.error(usage);
  process.exitCode = 2;
} else {
  try {
    const app = values.app === undefined ? {} : { app: Number(values.app) };
    const files = scaffold(readTree(root), { name, layer: values.layer, ...app });
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
      console.log(path);
    }
    console.log('\nnext: npm install; npm run apis -- --update; npm run check; then start it in a profile');
  } catch (error) {
    console.error(`new-service: ${(error as Error).message}\n${usage}`);
    process.exitCode = 2;
  }
}
