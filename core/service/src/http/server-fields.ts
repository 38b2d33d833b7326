import { Type } from 'typebox';

/** The fields that every process with a listener for clients has in its table of the configuration. */
export const serverFields = {
  drain_ms: Type.Integer({
    default: 10_000,
    minimum: 0,
    maximum: 600_000,
    description: 'milliseconds that running requests get at stop',
  }),
  log_level: Type.Union(
    [Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error'), Type.Literal('silent')],
    { default: 'warn', description: 'least severe log lines that are written to standard error' },
  ),
  trusted_proxies: Type.Array(Type.String({ maxLength: 64, pattern: '^(unix|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$' }), {
    default: [],
    maxItems: 64,
    description:
      'address ranges such as 10.0.0.0/8, or unix, of proxies whose word about the address of their clients counts, over HTTP and OAP; none: nobody is believed',
  }),
  forwarded_field: Type.Union([Type.Literal('x-forwarded-for'), Type.Literal('forwarded')], {
    default: 'x-forwarded-for',
    description: 'the field that trusted proxies write; the other one is never read',
  }),
  access_log: Type.Union([Type.Literal('off'), Type.Literal('errors'), Type.Literal('all')], {
    default: 'errors',
    description:
      'which HTTP requests get a line on standard error: errors are answers of 500 and above and those that broke off; at most 1,000 lines a second, the rest is counted',
  }),
  metrics_per_second: Type.Integer({
    default: 4,
    minimum: 1,
    maximum: 1_000,
    description: 'how often a second /metrics is made anew; who asks more often gets the last text',
  }),
} as const;
