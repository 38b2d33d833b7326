import { connect } from '@ron/app-sdk';

/** Runs in the page. The capability comes in the URL's fragment, which a browser sends to nobody. */
const settings = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, '', location.pathname);
const ron = connect({ url: settings.get('node')!, capability: settings.get('cap')! });

function say(line: string): void {
  document.querySelector('#log')!.append(`${line}\n`);
}

try {
  const bytes = new Uint8Array(300_000).map((_, index) => index);
  const { address } = await ron.blobs.put(new Blob([bytes]));
  say(`stored ${address}`);
  await ron.names.set('browser/page', address);
  const found = await ron.names.get('browser/page');
  const back = await found.bytes();
  if (back.length !== bytes.length || back.some((byte, index) => byte !== bytes[index])) throw new Error('other bytes');
  say(`read ${back.length} bytes by name, version ${found.version}, verified in the browser`);
  const range = await ron.blobs.get(address, { range: { start: 65_530, end: 65_545 } });
  say(`a range of ${(await range.bytes()).length} bytes, verified`);
  const refused = await connect({ url: settings.get('node')! })
    .blobs.get(address)
    .catch((error) => error);
  say(`without a capability: ${refused.code}`);
  say('done');
} catch (error) {
  say(`failed: ${error}`);
}
