import { hash } from '@ron/b3';
import { addressFromHash } from '@ron/naming';
import { createSnapshotClient, type SnapshotClient, type VerifySignature } from '@ron/signed';
import type { Caller } from './caller.ts';
import { asClientError } from './errors.ts';
import { eventStream } from './event-stream.ts';
import type { FollowedSnapshot, FollowOptions, RegistryCalls } from './registry.ts';
import { registryService as service } from './services.ts';

// Imported when somebody follows a registry: a page that never does does not load it.

export async function* followRegistry(
  caller: Caller,
  registry: RegistryCalls,
  options: FollowOptions & { readonly verify: VerifySignature },
): AsyncGenerator<FollowedSnapshot> {
  const { signal, trusted } = options;
  const chain = opened(caller, options);
  const start = options.from ?? ('id' in trusted ? 1 : undefined);
  if (chain.held === undefined && start !== undefined) await take(registry, chain, start, signal);
  const { version } = await registry.head(callOptions(signal));
  // Also when nothing is new: a node that is behind what was seen must be refused before anything else.
  await take(registry, chain, version, signal);
  yield held(chain);
  const events = eventStream(caller, 'stream', () => ({}), {
    service,
    signal,
    cursor: String(chain.held!.snapshot.version),
    staleCursor: 'fail',
    onBreak: options.onBreak === undefined ? undefined : (error) => options.onBreak!(error),
  });
  for await (const event of events) {
    if (event.type !== 'head') continue;
    const before = chain.held!.id;
    await take(registry, chain, versionOf(event.data), signal);
    if (chain.held!.id !== before) yield held(chain);
  }
}

/** Fetches a version, with those between it and what is held, and takes them all or refuses. */
async function take(
  registry: RegistryCalls,
  chain: SnapshotClient,
  version: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const newest = await registry.snapshot(version, callOptions(signal));
  try {
    const accepted = chain.accept(newest.text);
    if (accepted.outcome !== 'missing') return;
    const texts: string[] = [];
    for (let at = accepted.fromVersion; at <= accepted.toVersion; at += 1) {
      texts.push((await registry.snapshot(at, callOptions(signal))).text);
    }
    chain.accept([...texts, newest.text]);
  } catch (thrown) {
    throw asClientError(thrown, '');
  }
}

function opened(caller: Caller, { trusted, verify, state }: FollowOptions & { readonly verify: VerifySignature }) {
  try {
    return createSnapshotClient({
      trusted,
      verify,
      now: () => caller.platform.wallMs(),
      blake3: (bytes) => addressFromHash(hash(bytes)),
      ...(state === undefined ? {} : { state }),
    });
  } catch (thrown) {
    throw asClientError(thrown, '');
  }
}

function held(chain: SnapshotClient): FollowedSnapshot {
  const { id, snapshot } = chain.held!;
  return { id, version: snapshot.version, snapshot, state: chain.exportState()! };
}

function versionOf(data: string): number {
  const { version } = JSON.parse(data) as { readonly version?: unknown };
  return Number(version);
}

function callOptions(signal: AbortSignal | undefined) {
  return signal === undefined ? {} : { signal };
}
