import type { NodeProcess } from '../support/node-process.ts';
import { ask } from './raw-http.ts';

/** Whether a well-behaved client can store something and read it back. */
export async function isServedBy(node: Pick<NodeProcess, 'port' | 'capability'>): Promise<boolean> {
  const headers = { Authorization: `Bearer ${node.capability}` };
  const body = 'a good client';
  const put = await ask(node.port, { method: 'PUT', target: '/put', headers, body });
  if (put.status !== 200 && put.status !== 201) return false;
  const { address } = JSON.parse(put.body.toString()) as { address: string };
  return (await ask(node.port, { target: `/o/${address}`, headers })).body.toString() === body;
}
