import { readPackages } from '../packages.ts';
import { report } from '../report.ts';
import { readTree } from '../tree.ts';
import { checkLayers } from './check.ts';

/** `node tools/check-layers/main.ts [root]` */
const tree = readTree(process.argv[2] ?? `${import.meta.dirname}/../..`);
report('check-layers', checkLayers(tree), `${readPackages(tree).length} packages keep the layers`);
