import type { ClientRoute } from './routes.ts';
import type { ServiceTable } from './transport.ts';

export { overlayService } from './overlay-service.ts';
export { auditService, passportService, registryService } from './services.ts';

const get = (path: string): ClientRoute => ({ method: 'GET', path, reply: 'json' });
const post = (path: string): ClientRoute => ({ method: 'POST', path, json: true, reply: 'json' });

/** Who has what, for operators: `client.call(dhtService, 'trace', { address })`. */
export const dhtService: ServiceTable = {
  app: 0x0102,
  routes: {
    table: get('/admin/dht/table'),
    trace: { ...get('/admin/dht/trace'), query: ['address', 'want'] },
  },
};

/** Keys, for administrators: `client.call(kmsService, 'list', {})`. */
export const kmsService: ServiceTable = {
  app: 0x0401,
  routes: {
    create: post('/kms/keys'),
    list: { ...get('/kms/keys'), query: ['tenant', 'purpose', 'cursor', 'limit'] },
    public_key: get('/kms/keys/*kid'),
    sign: post('/kms/sign'),
    verify: post('/kms/verify'),
    mac: post('/kms/mac'),
    wrap: post('/kms/wrap'),
    unwrap: post('/kms/unwrap'),
    rewrap: post('/kms/rewrap'),
    rotate: post('/kms/rotate'),
    retire: post('/kms/retire'),
    destroy: post('/kms/destroy'),
  },
};

export const policyService: ServiceTable = {
  app: 0x0403,
  routes: {
    hash: get('/policy/hash'),
    current: get('/policy/current'),
    history: get('/policy/history'),
    activate: post('/policy/activate'),
    propose: post('/policy/proposals'),
    approve: post('/policy/proposals/:policy'),
    proposals: get('/policy/proposals'),
    proposal: get('/policy/proposals/:policy'),
    explain: post('/policy/explain'),
  },
};
