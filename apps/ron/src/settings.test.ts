import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defaultUrl, lazySettings } from './settings.ts';

describe('settings', () => {
  it('take flags over the environment over the default', () => {
    const environment = { RON_NODE_URL: 'http://env:1/', RON_CAP: 'ron1_env' };
    expect(lazySettings({ url: 'http://flag:2' }, environment).url).toMatchObject({
      value: 'http://flag:2',
      source: '--url',
    });
    expect(lazySettings({}, environment).url).toMatchObject({ value: 'http://env:1', source: 'RON_NODE_URL' });
    expect(lazySettings({}, {}).url.value).toBe(defaultUrl);
    expect(lazySettings({ cap: 'ron1_flag' }, environment).capability.value).toBe('ron1_flag');
    expect(lazySettings({}, {}).capability.value).toBeUndefined();
  });

  it.each(['oap://node', 'node:9600', 'file:///x', 'http://user:secret@node'])('refuse the URL %s', (url) => {
    expect(() => lazySettings({ url }, {}).url).toThrow(expect.objectContaining({ exitCode: 9 }));
  });

  it('refuse what is no capability without repeating it', () => {
    const secret = 'not-a-capability';
    expect(() => lazySettings({}, { RON_CAP: secret }).capability).toThrow(
      expect.objectContaining({ exitCode: 9, message: expect.not.stringContaining(secret) }),
    );
  });

  it('read a capability from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ron-settings-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'cap'), 'ron1_fromfile\n');
    expect(lazySettings({ cap: `@${join(folder, 'cap')}` }, {}).capability.value).toBe('ron1_fromfile');
    expect(() => lazySettings({ cap: `@${join(folder, 'none')}` }, {}).capability).toThrow(
      expect.objectContaining({ exitCode: 9 }),
    );
  });
});
