import type { ServiceTable } from './transport.ts';

/** What clients ask about other nodes, and of copies on them. Loaded with the first such call. */
export const overlayService: ServiceTable = {
  app: 0x0101,
  routes: {
    pin: { method: 'POST', path: '/pins', json: true, reply: 'json' },
    unpin: { method: 'DELETE', path: '/pins/:address', reply: 'json' },
    pins: { method: 'GET', path: '/pins', query: ['cursor', 'limit'], reply: 'json' },
    repair: { method: 'POST', path: '/pins/repair', json: true, reply: 'json' },
    peers: { method: 'GET', path: '/overlay/peers', query: ['state', 'limit', 'cursor'], reply: 'json' },
    probe: { method: 'GET', path: '/overlay/peers/:id/probe', query: ['count'], reply: 'json' },
    ban: { method: 'POST', path: '/overlay/bans', json: true, reply: 'json' },
    unban: { method: 'DELETE', path: '/overlay/bans/:id', reply: 'json' },
  },
};
