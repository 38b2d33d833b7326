import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readPackages } from '../packages.ts';
import { readTree } from '../tree.ts';
import { type ApiService, describeApis, firstDifference, serviceIn } from './describe.ts';

/**
 * `node tools/ls-apis/main.ts [--check | --update] [root]` prints what the services expose and consume.
 * `--check` fails when it is not what the golden file says; `--update` rewrites the golden file.
 */
const args = process.argv.slice(2);
const root = args.find((arg) => !arg.startsWith('--')) ?? join(import.meta.dirname, '../..');
const goldenPath = join(root, 'tools/ls-apis/apis.golden.txt');

try {
  const text = describeApis(await loadServices());
  if (args.includes('--update')) {
    writeFileSync(goldenPath, text);
    console.log('ls-apis: golden file written');
  } else if (args.includes('--check')) {
    const golden = existsSync(goldenPath) ? readFileSync(goldenPath, 'utf8') : '';
    const difference = firstDifference(golden, text);
    if (difference === undefined) console.log('ls-apis: as the golden file says');
    else
      fail(
        `the services are not what apis.golden.txt says: ${difference}\n  when that is meant: npm run apis -- --update`,
      );
  } else process.stdout.write(text);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}

async function loadServices(): Promise<readonly ApiService[]> {
  const services: ApiService[] = [];
  for (const { name, folder, isService } of readPackages(readTree(root))) {
    const path = join(root, folder, 'src/service.ts');
    if (!isService) continue;
    if (!existsSync(path)) throw new Error(`${folder} has no src/service.ts`);
    services.push(serviceIn(name, await import(pathToFileURL(path).href)));
  }
  return services;
}

function fail(message: string): void {
  console.log(`ls-apis: ${message}`);
  process.exitCode = 1;
}
