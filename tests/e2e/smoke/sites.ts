import assert from 'node:assert/strict';
import { sampleBytes } from '../../support/sample-bytes.ts';
import { assertSameBytes, type Checks } from './checks.ts';
import { bytesOf, codeOf, plain, type Target } from './target.ts';

/** A folder as a web site, by its manifest's address and by a name. */
export async function checkSites(checks: Checks, target: Target): Promise<void> {
  const { client } = target;
  const photo = sampleBytes(200_000, 55);
  const files = [
    { path: 'index.html', source: '<link rel=stylesheet href=style/site.css>' },
    { path: 'style/site.css', source: 'body { margin: 0 }' },
    { path: 'photos/index.html', source: 'photos' },
    { path: 'photos/häuser am see.jpg', source: photo },
    { path: 'app.mjs', source: 'export {}' },
    { path: 'unknown.xyz', source: 'x' },
  ];
  const { address } = await client.bundles.put(files);
  await client.names.set('site', address);
  const types = {
    'index.html': 'text/html; charset=utf-8',
    'style/site.css': 'text/css; charset=utf-8',
    'photos/h%C3%A4user%20am%20see.jpg': 'image/jpeg',
    'app.mjs': 'text/javascript; charset=utf-8',
    'unknown.xyz': 'application/octet-stream',
  };
  for (const base of ['/n/site', `/o/${address}`]) {
    await checks.check(`${base.slice(0, 10)}…: content types, folders, ranges, 404`, async () => {
      for (const [path, type] of Object.entries(types)) {
        const response = await plain(target, `${base}/${path}`);
        assert.equal(response.status, 200, path);
        assert.equal(response.headers.get('content-type'), type, path);
        assert.equal(response.headers.get('x-content-type-options'), 'nosniff', path);
        await response.arrayBuffer();
      }
      const range = await plain(target, `${base}/photos/h%C3%A4user%20am%20see.jpg`, {
        headers: { range: 'bytes=70000-70009' },
      });
      assertSameBytes(await bytesOf(range), photo.subarray(70_000, 70_010));
      assert.equal(await (await plain(target, `${base}/photos/`)).text(), 'photos');
      assert.equal(await (await plain(target, `${base}/`)).text(), files[0]!.source);
      assert.equal(await codeOf(await plain(target, `${base}/absent.html`)), '404 not_found');
    });
  }
  await checks.check('a folder without its slash is redirected', async () => {
    const response = await plain(target, '/n/site/photos');
    assert.equal(response.status, 308);
    assert.match(response.headers.get('location') ?? '', /photos\/$/);
  });
}
