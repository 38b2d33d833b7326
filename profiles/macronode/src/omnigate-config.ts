import type { Reads } from '@ron/micronode/config';
import { OmnigateConfig } from '@ron/omnigate/service';
import { serverFields } from '@ron/service';
import { type Static, Type } from 'typebox';

const strict = { additionalProperties: false } as const;
/** Of what listens: host:port, or unix:<path>. */
export const addressPattern = '^(unix:.+|(\\[[0-9A-Fa-f:.%]+\\]|[^:\\[\\]]+):[0-9]{1,5})$';

/** Table `front`: the process itself. Changes need a restart. */
export const FrontServerConfig = Type.Object(
  {
    listen: Type.String({
      default: '127.0.0.1:9700',
      pattern: addressPattern,
      description: 'host:port of HTTP; without a certificate a loopback address, port 0 for any free one',
    }),
    allow_remote: Type.Boolean({
      default: false,
      safeValue: false,
      description: 'lets plain HTTP listen beyond loopback, for a host whose TLS ends in front of it',
    }),
    tls_cert: Type.String({ default: '', description: 'file of the certificate chain, PEM; with it HTTP is over TLS' }),
    tls_key: Type.String({ default: '', description: 'file of its private key, PEM, for its owner only' }),
    oap_listen: Type.String({
      default: '',
      pattern: `^$|${addressPattern}`,
      description: 'host:port on loopback, or unix:<path>, of OAP/1; empty: none',
    }),
    backends: Type.Array(Type.String({ pattern: `^([A-Za-z0-9][A-Za-z0-9._-]{0,63}=)?${addressPattern.slice(1)}` }), {
      default: [],
      maxItems: 64,
      description: 'OAP addresses of the gateways, as "host:port", "unix:<path>" or "name=host:port"',
    }),
    drain_notice_ms: Type.Integer({
      default: 0,
      minimum: 0,
      maximum: 60_000,
      description: 'milliseconds at stop for which it still serves but is not ready, for balancers to see it',
    }),
    ...serverFields,
    cors_origins: Type.Array(Type.String({ maxLength: 256 }), {
      default: [],
      maxItems: 64,
      description: 'origins whose pages may call, as browsers send them, or "*"',
    }),
  },
  strict,
);
export type FrontServerConfig = Static<typeof FrontServerConfig>;

/** Every table of the file that `ron omnigate --config` takes. */
export const omnigateTables = { front: FrontServerConfig, omnigate: OmnigateConfig } as const;
export type OmnigateTables = typeof omnigateTables;

/** What a front reads, whatever else the configuration has. */
export type FrontConfig = { readonly version: number } & Reads<
  'front',
  Omit<FrontServerConfig, 'backends'> & Partial<FrontServerConfig>
> &
  Reads<'omnigate', OmnigateConfig>;
