import type { Scope } from './program.ts';

const help = `
A backend is the OAP address of a gateway, as a node prints it with --oap: host:port or unix:PATH, with a name before
it when metrics and views are to show one, as a=127.0.0.1:9601. All backends check the same capabilities.`;

export function addFrontCommands(scope: Scope): void {
  scope
    .add('omnigate', 'the front of a cluster: fair shares, health, one retry; HTTP in front, OAP behind', async () => {
      return (await import('../commands/omnigate.ts')).runOmnigate;
    })
    .option('--backend <address...>', 'gateways behind it (front.backends)')
    .option('--listen <address>', 'where HTTP listens (front.listen), default 127.0.0.1:9700; port 0 takes a free one')
    .option('--oap <address>', 'where OAP listens, if at all (front.oap_listen)')
    .option('--tls-cert <file>', 'certificate chain, PEM: HTTP is then over TLS, with HTTP/2')
    .option('--tls-key <file>', 'its private key, PEM')
    .option('--config <file>', 'TOML with the tables front and omnigate; watched')
    .option('--set <field...>', 'any field, as omnigate.queue_wait_ms=500')
    .addHelpText('after', help);
}
