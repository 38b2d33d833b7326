import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { report } from '../report.ts';
import { readTree } from '../tree.ts';
import { runRules } from './rule.ts';
import { countHabits, ratchetPath } from './rules/ratchet.ts';
import { rules } from './rules.ts';

/** `node tools/tidy/main.ts [--update] [root]`; `--update` sets the ratchet to today's numbers. */
const args = process.argv.slice(2);
const root = args.find((arg) => !arg.startsWith('--')) ?? join(import.meta.dirname, '../..');
if (args.includes('--update')) {
  writeFileSync(join(root, ratchetPath), `${JSON.stringify(countHabits(readTree(root)), undefined, 2)}\n`);
}
const tree = readTree(root);
report('tidy', runRules(rules, tree), `${tree.files.length} files keep ${rules.length} rules`);
