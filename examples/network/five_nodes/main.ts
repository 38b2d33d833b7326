import { startNetworkNode } from '../nodes.ts';
import { tell } from './story.ts';

/** Five processes on free loopback ports. */
await using a = await startNetworkNode();
await using b = await startNetworkNode(a);
await using c = await startNetworkNode(a);
await using d = await startNetworkNode(a);
await using e = await startNetworkNode(a);
await tell([a, b, c, d, e]);
