import { SLICE_MEDIA_TYPE } from '@ron/b3';
import { encodeManifest } from '@ron/naming';
import { beforeEach, describe, expect, it } from 'vitest';
import { gather } from './fixtures/map-peers.ts';
import { bytesOf, callOf, type StartedGateway, startGateway } from './fixtures/start-gateway.ts';

const text = new TextEncoder();
let node: StartedGateway;

beforeEach(async () => {
  node = await startGateway({ name_max_age_s: 5 });
});

/** Stores the files and their manifest; the address of the manifest. */
function publish(files: Readonly<Record<string, string>>, mime = 'text/html; charset=utf-8', on = node): string {
  const entries = Object.entries(files).map(([path, content]) => {
    const bytes = text.encode(content);
    return { path, address: on.storage.add(bytes), size: bytes.byteLength, mime };
  });
  return on.storage.add(encodeManifest(entries));
}

async function point(name: string, address: string): Promise<void> {
  await node.index.peer.set({ name, address });
}

async function read(path: string, fields: object = {}) {
  const { output, body } = await node.handlers.view({ path, ...fields }, callOf());
  return { output, text: new TextDecoder().decode(await gather(body)) };
}

const site = {
  'index.html': 'home',
  'about.html': 'about',
  'docs/index.html': 'docs',
  'docs/ü b.html': 'umlaut',
  'empty/page.html': 'page',
};

describe('view of a bundle', () => {
  let address: string;
  beforeEach(async () => {
    address = publish(site);
    await point('team/site', address);
  });

  it.each([
    ['team/site/', 'home'],
    ['team/site/index.html', 'home'],
    ['team/site/about.html', 'about'],
    ['team/site/docs/', 'docs'],
    ['team/site/docs/ü b.html', 'umlaut'],
  ])('serves %s', async (path, content) => {
    const { output, text: got } = await read(path);
    expect(got).toBe(content);
    expect(output).toMatchObject({
      status: 200,
      content_type: 'text/html; charset=utf-8',
      cache_control: 'private, max-age=5, must-revalidate',
      name: 'team/site',
      name_version: 1,
      etag: `"${output.address}"`,
    });
  });

  it('keeps pages from acting with the origin of the API', async () => {
    const { output } = await read('team/site/');
    expect(output.content_security_policy).toMatch(/^sandbox /);
    expect(output.content_security_policy).not.toContain('allow-same-origin');
    expect(output.content_security_policy).not.toContain('allow-top-navigation');
  });

  it.each([
    ['team/site', '/n/team/site/'],
    ['team/site/docs', '/n/team/site/docs/'],
  ])('redirects the folder %s to its slash', async (path, location) => {
    const { output, text: got } = await read(path);
    expect(output).toMatchObject({ status: 308, location, address, content_length: 0 });
    expect(output).not.toHaveProperty('etag');
    expect(got).toBe('');
  });

  it.each(['team/site/none', 'team/site/empty', 'team/site/empty/', 'team/site/about.html/'])(
    'has nothing at %s',
    async (path) => {
      await expect(node.handlers.view({ path }, callOf())).rejects.toMatchObject({ code: 'not_found' });
    },
  );

  it('percent-encodes redirects and names', async () => {
    await point('täst', publish({ 'ü ?#/index.html': 'x' }));
    const { output } = await read('täst/ü ?#');
    expect(output.location).toBe('/n/t%C3%A4st/%C3%BC%20%3F%23/');
    expect(output.name).toBe('t%C3%A4st');
  });

  it('lets the longest existing name win', async () => {
    await point('team/site/docs', node.storage.add(text.encode('an object')));
    const { output, text: got } = await read('team/site/docs');
    expect(got).toBe('an object');
    expect(output).toMatchObject({ status: 200, name: 'team/site/docs', content_type: 'application/octet-stream' });
  });

  it('follows a changed name at once, and answers conditionals by content', async () => {
    const first = await read('team/site/about.html');
    expect((await read('team/site/about.html', { if_none_match: first.output.etag })).output.status).toBe(304);
    await point('team/site', publish({ ...site, 'about.html': 'changed' }));
    const second = await read('team/site/about.html', { if_none_match: first.output.etag });
    expect(second.text).toBe('changed');
    expect(second.output).toMatchObject({ status: 200, name_version: 2 });
  });

  it('serves ranges and slices of entries', async () => {
    const part = await read('team/site/about.html', { range: 'bytes=1-2' });
    expect(part.output).toMatchObject({ status: 206, content_range: 'bytes 1-2/5' });
    expect(part.text).toBe('bo');
    const slice = await read('team/site/about.html', { accept: SLICE_MEDIA_TYPE });
    expect(slice.output).toMatchObject({ content_type: SLICE_MEDIA_TYPE, address: part.output.address });
  });

  it('reads the manifest once', async () => {
    await read('team/site/');
    node.storage.calls.length = 0;
    await read('team/site/about.html');
    expect(node.storage.calls).toEqual(['get']);
    await node.metrics.exposition();
    expect(node.metrics.read('gateway_manifest_cache_bytes')).toBeGreaterThan(500);
  });

  it('serves the manifest itself where a bundle has no page of its own', async () => {
    const bare = publish({ 'data.json': '{}' }, 'application/json');
    await point('bare', bare);
    const { output, text: got } = await read('bare');
    expect(output).toMatchObject({ status: 200, address: bare, content_type: 'application/octet-stream' });
    expect(JSON.parse(got)).toMatchObject({ v: 1 });
    await expect(node.handlers.view({ path: 'bare/' }, callOf())).rejects.toMatchObject({ code: 'not_found' });
  });

  it('lets sandboxed pages of a public site load their modules', async () => {
    const open = await startGateway({ public_prefixes: ['n/open/'] });
    await open.index.peer.set({ name: 'open/site', address: publish(site, 'text/html', open) });
    const { output } = await open.handlers.view({ path: 'open/site/about.html' }, callOf());
    expect(output).toMatchObject({
      access_control_allow_origin: '*',
      cache_control: 'public, max-age=0, must-revalidate',
    });
  });
});

describe('view of one object', () => {
  it('is the object, and has nothing below it', async () => {
    await point('readme', node.storage.add(text.encode('read me')));
    const { output, text: got } = await read('readme');
    expect(got).toBe('read me');
    expect(output).toMatchObject({ status: 200, content_type: 'application/octet-stream' });
    expect(output).not.toHaveProperty('content_security_policy');
    for (const path of ['readme/', 'readme/x', 'readme/x/']) {
      await expect(node.handlers.view({ path }, callOf())).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  it.each(['{"entries":[', '{"entries":[],"v":2}', '{"entries":[],"v":1} ', '{"entries":[{}],"v":1}'])(
    'takes %s for what it is: no manifest',
    async (content) => {
      await point('odd', node.storage.add(text.encode(content)));
      expect((await read('odd')).text).toBe(content);
    },
  );

  it('takes the smallest manifest for one', async () => {
    await point('none', publish({}));
    await expect(node.handlers.view({ path: 'none/' }, callOf())).rejects.toMatchObject({
      message: 'the bundle has no such entry',
    });
  });

  it('does not read large objects to find out', async () => {
    await point('big', node.storage.add(bytesOf(200_000)));
    await node.handlers.view({ path: 'big', head: true }, callOf());
    expect(node.storage.calls).toEqual(['stat', 'get', 'stat']);
    node.storage.calls.length = 0;
    await node.handlers.view({ path: 'big', head: true }, callOf());
    expect(node.storage.calls).toEqual(['stat']);
  });

  it('refuses the name of nothing', async () => {
    for (const path of ['/', '//', 'a//']) {
      await expect(node.handlers.view({ path }, callOf())).rejects.toMatchObject({ code: 'bad_request' });
    }
    await expect(node.handlers.view({ path: 'nobody' }, callOf())).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('entry', () => {
  it('serves the same site under its address, for ever', async () => {
    const address = publish(site);
    const get = (path: string) => node.handlers.entry({ address, path }, callOf());
    const page = await get('docs/');
    expect(page.output).toMatchObject({
      status: 200,
      content_type: 'text/html; charset=utf-8',
      cache_control: 'private, max-age=31536000, immutable',
    });
    expect(page.output.content_security_policy).toMatch(/^sandbox /);
    expect(new TextDecoder().decode(await gather((await get('')).body))).toBe('home');
    expect((await get('docs')).output).toMatchObject({ status: 308, location: `/o/${address}/docs/` });
    await expect(get('nothing')).rejects.toMatchObject({ code: 'not_found', details: { bundle: address } });
    await expect(get('../about.html')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('says when the object is no bundle, is not there, or an entry is not there', async () => {
    const object = node.storage.add(text.encode('x'));
    await expect(node.handlers.entry({ address: object, path: 'a' }, callOf())).rejects.toMatchObject({
      code: 'not_found',
    });
    const address = publish({ 'a.html': 'gone' });
    const { address: entry } = (await node.handlers.entry({ address, path: 'a.html' }, callOf())).output;
    node.storage.objects.delete(entry);
    await expect(node.handlers.entry({ address, path: 'a.html' }, callOf())).rejects.toMatchObject({
      code: 'not_found',
    });
    node.storage.objects.delete(object);
    const other = node.storage.add(text.encode('y'));
    node.storage.objects.delete(other);
    await expect(node.handlers.entry({ address: other, path: 'a' }, callOf())).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('leaves the manifest itself readable at its address', async () => {
    const address = publish(site);
    const { output, body } = await node.handlers.get({ address }, callOf());
    expect(output.content_type).toBe('application/octet-stream');
    expect(await gather(body)).toEqual(node.storage.objects.get(address));
  });
});
