import type { CapabilityLimits, Right } from '@ron/proto/capability';
import type { Principal } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';

/**
 * Refuses a right that the issuer does not have itself. A right on `n/docs` covers `n/docs` and all below it, one on
 * `n/docs/` all that starts so, one on nothing everything: whoever may use the prefix itself as a resource may use what
 * lies below it too. `list` asks for prefixes: a right to list on `n/docs` lists `n/docs/`, so that is what the issuer
 * must be able to list.
 *
 * @throws RonError `forbidden`, reason `rights`
 */
export function refuseWiderRights(issuer: Principal, rights: readonly Right[]): void {
  for (const { methods, prefix } of rights) {
    const listed = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
    for (const method of methods) {
      if (issuer.allows(method, method === 'list' ? listed : prefix)) continue;
      throw new RonError('forbidden', `you may not "${method}" everything under this prefix yourself`, {
        details: { reason: 'rights', method, prefix },
      });
    }
  }
}

/**
 * The limits of a new capability: those asked for, and the issuer's own where none is asked for.
 *
 * @throws RonError `forbidden`, reason `limits`, for one above the issuer's
 */
export function narrowedLimits(issuer: Principal, asked: CapabilityLimits = {}): CapabilityLimits | undefined {
  const own = {
    bytes_max: issuer.limits.bytesMax,
    requests_per_second: issuer.limits.requestsPerSecond,
    body_bytes_max: issuer.limits.bodyBytesMax,
  };
  const limits: CapabilityLimits = {};
  for (const name of ['bytes_max', 'requests_per_second', 'body_bytes_max'] as const) {
    const [most, wanted] = [own[name], asked[name]];
    if (most !== undefined && wanted !== undefined && wanted > most) {
      throw new RonError('forbidden', `${name} is above your own`, { details: { reason: 'limits', field: name } });
    }
    const value = wanted ?? most;
    if (value !== undefined) limits[name] = value;
  }
  return Object.keys(limits).length === 0 ? undefined : limits;
}

/**
 * The tenant that a call is about: the caller's own when it is bound to one. Who is bound to none needs the right that
 * acting for a tenant takes everywhere, `admin` on `admin/tenants/<tenant>`.
 *
 * @throws RonError `forbidden`, reason `tenant`
 */
export function narrowedTenant(issuer: Principal, contextTenant: string, asked: string | undefined): string {
  const tenant = asked ?? contextTenant;
  if (issuer.tenant !== '' && tenant !== issuer.tenant) {
    throw new RonError('forbidden', 'your capability belongs to another tenant', { details: { reason: 'tenant' } });
  }
  if (tenant !== issuer.tenant && !issuer.allows('admin', `admin/tenants/${tenant}`)) {
    throw new RonError('forbidden', 'your capability does not reach that tenant', { details: { reason: 'tenant' } });
  }
  return tenant;
}
