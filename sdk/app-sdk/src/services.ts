import type { ClientRoute } from './routes.ts';
import type { ServiceTable } from './transport.ts';

/**
 * Routes of the services that a node serves beside its gateway, as plain data for the reason that `routes` gives. A test
 * compares these tables with the contracts.
 */
const get = (path: string, query: readonly string[] = []): ClientRoute => ({
  method: 'GET',
  path,
  reply: 'json',
  ...(query.length === 0 ? {} : { query }),
});
const post = (path: string): ClientRoute => ({ method: 'POST', path, json: true, reply: 'json' });
const file = { 'content-type': 'content_type', 'cache-control': 'cache_control', 'content-length': 'content_length' };

export const passportService: ServiceTable = {
  app: 0x0402,
  routes: {
    bootstrap: post('/passport/bootstrap'),
    issue: post('/passport/issue'),
    issue_service: post('/passport/services'),
    refresh: post('/passport/refresh'),
    revoke: post('/passport/revoke'),
    revocations: get('/passport/revocations', ['since', 'wait_ms']),
    profile: get('/passport/profile', ['subject', 'tenant']),
    list: get('/passport/subjects', ['cursor', 'limit']),
    keys: {
      method: 'GET',
      path: '/passport/keys',
      headers: { if_none_match: 'if-none-match' },
      reply: 'stream',
      replyHeaders: { etag: 'etag', 'cache-control': 'cache_control', 'content-type': 'content_type' },
    },
  },
};

export const auditService: ServiceTable = {
  app: 0x0404,
  routes: {
    checkpoint: {
      method: 'GET',
      path: '/audit/checkpoint',
      query: ['cosigned'],
      reply: 'stream',
      replyHeaders: file,
    },
    key: get('/audit/key'),
    tile: { method: 'GET', path: '/audit/tile/*path', reply: 'stream', replyHeaders: file },
    export: {
      method: 'GET',
      path: '/audit/export',
      query: ['from', 'to'],
      reply: 'stream',
      replyHeaders: { 'content-type': 'content_type', 'cache-control': 'cache_control', 'ron-size': 'size' },
    },
    inclusion: get('/audit/proof/inclusion', ['index', 'size']),
    consistency: get('/audit/proof/consistency', ['from', 'to']),
    tail: get('/audit/tail', ['from', 'wait_ms', 'limit']),
    cosign: post('/audit/cosign'),
    add_cosignatures: post('/audit/cosignatures'),
  },
};

const signedDocument = {
  method: 'GET',
  reply: 'stream',
  replyHeaders: { 'content-type': 'content_type', 'ron-registry-id': 'id', 'ron-registry-version': 'version' },
} as const;

export const registryService: ServiceTable = {
  app: 0x0303,
  routes: {
    propose: post('/registry/proposals'),
    proposals: get('/registry/proposals'),
    proposal_document: { ...signedDocument, path: '/registry/proposals/:proposal' },
    approve: post('/registry/approvals'),
    commit: post('/registry/commit'),
    publish: { method: 'POST', path: '/registry/snapshots', reply: 'json' },
    head: get('/registry/head'),
    snapshot: { ...signedDocument, path: '/registry/snapshots/:version' },
    stream: {
      method: 'GET',
      path: '/registry/stream',
      query: ['cursor'],
      headers: { cursor: 'last-event-id' },
      reply: 'stream',
      replyHeaders: { 'content-type': 'content_type', 'cache-control': 'cache_control' },
    },
    observe: post('/registry/observe'),
  },
};
