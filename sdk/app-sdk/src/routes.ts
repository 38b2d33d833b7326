/**
 * The gateway contract's first HTTP route of each operation, as plain data: importing the contract itself would bring
 * its schema library into every browser page. A test compares this table with the contract.
 */
export interface ClientRoute {
  readonly method: string;
  /** `:field` is percent-encoded; a final `*field` keeps its slashes. */
  readonly path: string;
  readonly query?: readonly string[];
  /** Input field → request header. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: true;
  readonly reply: 'json' | 'stream' | 'empty';
  /** Response header → output field. */
  readonly replyHeaders?: Readonly<Record<string, string>>;
}

const read = {
  method: 'GET',
  headers: { range: 'range', if_range: 'if-range', if_none_match: 'if-none-match', accept: 'accept' },
  reply: 'stream',
  replyHeaders: {
    'ron-address': 'address',
    'ron-size': 'size',
    etag: 'etag',
    'content-type': 'content_type',
    'content-length': 'content_length',
    'content-range': 'content_range',
    'content-disposition': 'content_disposition',
    'content-security-policy': 'content_security_policy',
    'cache-control': 'cache_control',
    location: 'location',
    'ron-name': 'name',
    'ron-name-version': 'name_version',
  },
} as const;
const put = {
  headers: { content_encoding: 'content-encoding', durability: 'ron-durability' },
  reply: 'json',
  replyHeaders: { location: 'location' },
} as const;
const upload = {
  'ron-upload-id': 'upload_id',
  'upload-length': 'size',
  'upload-offset': 'offset',
  'ron-address': 'address',
  'ron-missing': 'missing',
  'ron-durability': 'durability',
} as const;
const box = (operation: string) =>
  ({ method: 'POST', path: `/mailbox/:box/${operation}`, json: true, reply: 'json' }) as const;
const admin = { method: 'POST', json: true, reply: 'json' } as const;

export const routes: Readonly<Record<string, ClientRoute>> = {
  put: { method: 'PUT', path: '/put', ...put },
  put_at: { method: 'PUT', path: '/o/:address', ...put },
  get: { path: '/o/:address', ...read },
  entry: { path: '/o/:address/*path', ...read },
  outboard: { path: '/o/:address.outboard', ...read },
  view: { path: '/n/*path', ...read },
  has: { method: 'POST', path: '/o/has', json: true, reply: 'json' },
  upload_create: {
    method: 'POST',
    path: '/uploads',
    headers: {
      upload_length: 'upload-length',
      upload_metadata: 'upload-metadata',
      tus_resumable: 'tus-resumable',
      content_type: 'content-type',
      address: 'ron-address',
    },
    reply: 'json',
    replyHeaders: { ...upload, location: 'location' },
  },
  upload_status: {
    method: 'HEAD',
    path: '/uploads/:upload_id',
    headers: { tus_resumable: 'tus-resumable' },
    reply: 'empty',
    replyHeaders: upload,
  },
  upload_write: {
    method: 'PATCH',
    path: '/uploads/:upload_id',
    headers: { upload_offset: 'upload-offset', tus_resumable: 'tus-resumable', content_type: 'content-type' },
    reply: 'empty',
    replyHeaders: upload,
  },
  upload_abort: {
    method: 'DELETE',
    path: '/uploads/:upload_id',
    headers: { tus_resumable: 'tus-resumable' },
    reply: 'empty',
  },
  hydrate: { method: 'POST', path: '/v1/view', json: true, reply: 'json' },
  resolve: { method: 'GET', path: '/name/resolve/*name', query: ['fresh'], reply: 'json' },
  set_name: {
    method: 'PUT',
    path: '/name/*name',
    headers: { if_match: 'if-match', if_none_match: 'if-none-match' },
    json: true,
    reply: 'json',
  },
  trace_name: { method: 'GET', path: '/admin/names/trace', query: ['path'], reply: 'json' },
  remove_name: { method: 'DELETE', path: '/name/*name', headers: { if_match: 'if-match' }, reply: 'json' },
  history: { method: 'GET', path: '/name/*path', query: ['cursor', 'limit'], reply: 'json' },
  list_names: { method: 'GET', path: '/names', query: ['prefix', 'cursor', 'limit'], reply: 'json' },
  mailbox_send: box('send'),
  mailbox_recv: box('recv'),
  mailbox_ack: box('ack'),
  mailbox_nack: box('nack'),
  mailbox_extend: box('extend'),
  mailbox_remove: { method: 'DELETE', path: '/mailbox/:box/:id', reply: 'json' },
  mailbox_subscribe: {
    method: 'GET',
    path: '/mailbox/:box/subscribe',
    query: ['credit', 'visibility_ms', 'max', 'peek', 'cursor'],
    headers: { cursor: 'last-event-id' },
    reply: 'stream',
    replyHeaders: { 'content-type': 'content_type', 'cache-control': 'cache_control' },
  },
  mailbox_dead_letters: { method: 'GET', path: '/mailbox/:box/dlq', query: ['cursor', 'limit'], reply: 'json' },
  mailbox_redrive: box('dlq/redrive'),
  mailbox_purge: box('dlq/purge'),
  mailbox_stats: { method: 'GET', path: '/mailbox/:box/stats', reply: 'json' },
  mailbox_boxes: { method: 'GET', path: '/mailbox', query: ['cursor', 'limit'], reply: 'json' },
  whoami: { method: 'GET', path: '/passport/whoami', reply: 'json' },
  why: { path: '/admin/why', ...admin },
  collect: { path: '/admin/collect', ...admin },
  undelete: { path: '/admin/undelete', ...admin },
  scrub: { path: '/admin/scrub', ...admin },
  usage: { path: '/admin/usage', ...admin },
};
