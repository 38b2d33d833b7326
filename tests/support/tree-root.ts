import { fileURLToPath } from 'node:url';

/** The folder that holds `package.json` of the whole tree, without a slash at its end. */
export const treeRoot = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
