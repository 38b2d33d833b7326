import { execFileSync } from 'node:child_process';
import { type NetworkNode, startNetworkNodeAt } from '../nodes.ts';
import { tell } from './story.ts';

/** The same in network namespaces, each with a link of its own to a bridge; with `tc`, slow and lossy ones. */
const subnet = '10.77.83';
const prefix = `ron${process.pid % 100_000}`;
const bridge = `${prefix}b`;
const link = ['delay', '20ms', '2ms', 'loss', '1%'];

function run(program: string, ...line: string[]): void {
  execFileSync(program, line, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** What is missing here; undefined: nothing. */
function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root';
  try {
    run('ip', 'link', 'add', bridge, 'type', 'bridge');
    return undefined;
  } catch (error) {
    return `no bridge can be made: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`;
  }
}

const reason = missing();
if (reason === undefined) await inNamespaces();
else console.log(`CANNOT RUN: five nodes in network namespaces: ${reason}`);

async function inNamespaces(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  stack.defer(() => run('ip', 'link', 'del', bridge));
  run('ip', 'addr', 'add', `${subnet}.254/24`, 'dev', bridge);
  run('ip', 'link', 'set', bridge, 'up');
  const nodes: NetworkNode[] = [];
  for (let index = 1; index <= 5; index++) {
    const [space, outer, inner, host] = [
      `${prefix}n${index}`,
      `${prefix}o${index}`,
      `${prefix}i${index}`,
      `${subnet}.${index}`,
    ];
    run('ip', 'netns', 'add', space);
    // Its end of the link goes with it.
    stack.defer(() => run('ip', 'netns', 'del', space));
    run('ip', 'link', 'add', outer, 'type', 'veth', 'peer', 'name', inner);
    run('ip', 'link', 'set', outer, 'master', bridge, 'up');
    run('ip', 'link', 'set', inner, 'netns', space);
    run('ip', '-n', space, 'addr', 'add', `${host}/24`, 'dev', inner);
    run('ip', '-n', space, 'link', 'set', 'lo', 'up');
    run('ip', '-n', space, 'link', 'set', inner, 'up');
    const slow = slowed(space, inner);
    if (index === 1) console.log(slow ?? `each link: ${link.join(' ')}`);
    const node = await startNetworkNodeAt({ host, command: ['ip', 'netns', 'exec', space] }, ...nodes.slice(0, 1));
    nodes.push(stack.use(node));
  }
  const [a, b, c, d, e] = nodes;
  await tell([a!, b!, c!, d!, e!]);
}

/** Why the link is as fast as the machine; undefined when it is not. */
function slowed(space: string, device: string): string | undefined {
  try {
    run('tc', '-n', space, 'qdisc', 'add', 'dev', device, 'root', 'netem', ...link);
    return undefined;
  } catch (error) {
    return `no delay and no loss: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`;
  }
}
