import { type TSchema, Type } from 'typebox';
import { CapabilityView } from './capability.ts';
import { defineContract, type HttpRoute } from './contract.ts';
import { Address, Count, Cursor, NameText, PathText, strict, TimeMs } from './fields.ts';
import { hydrateOperation } from './hydration.ts';
import { mailboxOperations } from './mailbox.ts';
import { NameRecord, nameRemoved, nameSet, nameTrace, Resolution } from './names.ts';
import { CopyHolder, DurabilityWish } from './pins.ts';
import { HeaderText, ReadOutput, readFields, readRoutes } from './reading.ts';
import {
  CollectInput,
  CollectOutput,
  HasInput,
  HasOutput,
  PutOutput,
  ScrubInput,
  ScrubOutput,
  StatOutput,
  UsageOutput,
  WhyOutput,
} from './storage.ts';
import { uploadOperations } from './uploads.ts';

const PutReply = Type.Object(
  {
    ...PutOutput.properties,
    copies: Type.Optional(
      Type.Array(CopyHolder, {
        maxItems: 64,
        description: 'the nodes that have it, each as durably, when copies were asked for',
      }),
    ),
    location: Type.String(),
    http_status: Type.Union([Type.Literal(200), Type.Literal(201)]),
  },
  strict,
);
const putReplyRoute = { statusField: 'http_status', replyHeaders: { location: 'location' }, reply: 'json' } as const;
const putErrors = [
  'bad_digest',
  'length_required',
  'payload_too_large',
  'insufficient_storage',
  'request_timeout',
  'unsupported_media_type',
] as const;

const admin = [{ method: 'admin', resource: 'admin/storage' }] as const;

function adminOperation<const I extends TSchema, const O extends TSchema>(
  summary: string,
  path: string,
  input: I,
  output: O,
  timeoutMs = 30_000,
) {
  const route = { method: 'POST', path, json: true, reply: 'json' } as const;
  return {
    summary,
    input,
    output,
    errors: ['not_found', 'conflict', 'insufficient_storage'] as const,
    scopes: admin,
    mutation: true as const,
    limits: { timeoutMs },
    http: [route] as readonly HttpRoute[],
  };
}

/** The public API of a node: what `svc-gateway` answers over HTTP and, with the same DTOs, over OAP. */
export const gatewayContract = defineContract({
  name: 'gateway',
  app: 0x0501,
  operations: {
    put: {
      summary: 'Store an object; its address is computed',
      input: Type.Object(
        { content_encoding: Type.Optional(HeaderText), durability: Type.Optional(DurabilityWish) },
        strict,
      ),
      output: PutReply,
      errors: putErrors,
      scopes: [{ method: 'write', resource: 'o/' }],
      body: 'in',
      mutation: true,
      http: [
        {
          method: 'PUT',
          path: '/put',
          headers: { 'content-encoding': 'content_encoding', 'ron-durability': 'durability' },
          ...putReplyRoute,
        },
        {
          method: 'POST',
          path: '/o',
          headers: { 'content-encoding': 'content_encoding', 'ron-durability': 'durability' },
          ...putReplyRoute,
        },
      ],
    },
    put_at: {
      summary: 'Store an object whose address is known; other bytes are refused and nothing is stored',
      input: Type.Object(
        { address: Address, content_encoding: Type.Optional(HeaderText), durability: Type.Optional(DurabilityWish) },
        strict,
      ),
      output: PutReply,
      errors: putErrors,
      scopes: [{ method: 'write', resource: 'o/{address}' }],
      body: 'in',
      mutation: true,
      http: [
        {
          method: 'PUT',
          path: '/o/:address',
          headers: { 'content-encoding': 'content_encoding', 'ron-durability': 'durability' },
          ...putReplyRoute,
        },
      ],
    },
    get: {
      summary: 'An object: whole, ranges of it, or a verified slice',
      input: Type.Object({ address: Address, ...readFields }, strict),
      output: ReadOutput,
      errors: ['not_found', 'integrity', 'range_not_satisfiable'],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
      body: 'out',
      http: [...readRoutes('/o/:address'), ...readRoutes('/get/:address')],
    },
    entry: {
      summary: 'An entry of a bundle; the empty path is its root folder',
      input: Type.Object({ address: Address, path: Type.String({ maxLength: 1_536 }), ...readFields }, strict),
      output: ReadOutput,
      errors: ['not_found', 'integrity', 'range_not_satisfiable'],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
      body: 'out',
      http: readRoutes('/o/:address/*path'),
    },
    outboard: {
      summary: 'The outboard of an object: immutable, cacheable',
      input: Type.Object({ address: Address, ...readFields }, strict),
      output: ReadOutput,
      errors: ['not_found', 'integrity', 'range_not_satisfiable'],
      scopes: [{ method: 'read', resource: 'o/{address}' }],
      body: 'out',
      http: readRoutes('/o/:address.outboard'),
    },
    view: {
      summary: 'What a name points at, or an entry of the bundle that it points at',
      input: Type.Object({ path: PathText, ...readFields }, strict),
      output: ReadOutput,
      errors: ['not_found', 'integrity', 'range_not_satisfiable'],
      scopes: [{ method: 'read', resource: 'n/{path}' }],
      body: 'out',
      http: readRoutes('/n/*path'),
    },
    has: {
      summary: 'Which of these objects are here',
      input: HasInput,
      output: HasOutput,
      errors: ['insufficient_storage'],
      scopes: [{ method: 'read', resource: 'o/' }],
      http: [{ method: 'POST', path: '/o/has', json: true, reply: 'json' }],
    },
    ...uploadOperations,
    hydrate: hydrateOperation,
    resolve: {
      summary: 'The signed record of a name',
      input: Type.Object({ name: NameText, fresh: Type.Optional(Type.Boolean()) }, strict),
      output: Resolution,
      errors: ['not_found', 'integrity'],
      scopes: [{ method: 'read', resource: 'n/{name}' }],
      http: [{ method: 'GET', path: '/name/resolve/*name', query: ['fresh'], reply: 'json' }],
    },
    trace_name: {
      summary: 'Where a name is found, and what each trusted node said of it; for operators',
      ...nameTrace,
      http: [{ method: 'GET', path: '/admin/names/trace', query: ['path'], reply: 'json' }],
    },
    set_name: {
      summary: 'Point a name at an address; If-Match carries the expected version, If-None-Match: * means a new name',
      input: Type.Object(
        {
          name: NameText,
          address: Address,
          expires_at: Type.Optional(TimeMs),
          if_match: Type.Optional(HeaderText),
          if_none_match: Type.Optional(HeaderText),
        },
        strict,
      ),
      output: NameRecord,
      errors: ['not_found', 'conflict', 'insufficient_storage', 'integrity'],
      scopes: [{ method: 'write', resource: 'n/{name}' }],
      mutation: true,
      audit: nameSet,
      http: [
        {
          method: 'PUT',
          path: '/name/*name',
          headers: { 'if-match': 'if_match', 'if-none-match': 'if_none_match' },
          json: true,
          reply: 'json',
        },
      ],
    },
    remove_name: {
      summary: 'Forget a name',
      input: Type.Object({ name: NameText, if_match: Type.Optional(HeaderText) }, strict),
      output: Type.Object({ name: NameText, version: Count }, strict),
      errors: ['not_found', 'conflict', 'insufficient_storage', 'integrity'],
      scopes: [{ method: 'delete', resource: 'n/{name}' }],
      frees: true,
      mutation: true,
      audit: nameRemoved,
      http: [{ method: 'DELETE', path: '/name/*name', headers: { 'if-match': 'if_match' }, reply: 'json' }],
    },
    history: {
      summary: 'Versions of a name, newest first; the path is the name followed by /history',
      input: Type.Object(
        {
          path: PathText,
          cursor: Type.Optional(Cursor),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        },
        strict,
      ),
      output: Type.Object({ records: Type.Array(NameRecord), cursor: Type.Optional(Cursor) }, strict),
      errors: ['not_found', 'integrity'],
      scopes: [{ method: 'read', resource: 'n/{path}' }],
      costly: true,
      http: [{ method: 'GET', path: '/name/*path', query: ['cursor', 'limit'], reply: 'json' }],
    },
    list_names: {
      summary: 'Names under a prefix',
      input: Type.Object(
        {
          prefix: Type.Optional(Type.String({ maxLength: 253 })),
          cursor: Type.Optional(Cursor),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
        },
        strict,
      ),
      output: Type.Object({ names: Type.Array(NameRecord), cursor: Type.Optional(Cursor) }, strict),
      errors: ['integrity'],
      scopes: [{ method: 'list', resource: 'n/{prefix}' }],
      costly: true,
      http: [{ method: 'GET', path: '/names', query: ['prefix', 'cursor', 'limit'], reply: 'json' }],
    },
    mailbox_send: mailboxOperations.send,
    mailbox_recv: mailboxOperations.recv,
    mailbox_ack: mailboxOperations.ack,
    mailbox_nack: mailboxOperations.nack,
    mailbox_extend: mailboxOperations.extend,
    mailbox_remove: mailboxOperations.remove,
    mailbox_subscribe: mailboxOperations.subscribe,
    mailbox_dead_letters: mailboxOperations.dead_letters,
    mailbox_redrive: mailboxOperations.redrive,
    mailbox_purge: mailboxOperations.purge,
    mailbox_stats: mailboxOperations.stats,
    mailbox_boxes: mailboxOperations.boxes,
    whoami: {
      summary: 'What the capability of this request allows',
      input: Type.Object({}, strict),
      output: CapabilityView,
      errors: [],
      scopes: [],
      // Its answer is in the capability itself, and whoever passes calls on asks it about each new one.
      shedAs: 'read',
      http: [{ method: 'GET', path: '/passport/whoami', reply: 'json' }],
    },
    why: {
      ...adminOperation('Who keeps this object', '/admin/why', Type.Object({ address: Address }, strict), WhyOutput),
    },
    collect: {
      ...adminOperation('Garbage collection', '/admin/collect', CollectInput, CollectOutput, 600_000),
      audit: { level: 'privileged', input: ['dry_run'], output: ['trashed', 'purged'] },
    },
    undelete: {
      ...adminOperation('Out of the trash', '/admin/undelete', Type.Object({ address: Address }, strict), StatOutput),
      audit: { level: 'privileged', input: ['address'] },
    },
    scrub: {
      ...adminOperation('Verify everything stored', '/admin/scrub', ScrubInput, ScrubOutput),
    },
    usage: {
      ...adminOperation('Objects and bytes against budgets', '/admin/usage', Type.Object({}, strict), UsageOutput),
    },
  },
});
