import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Contract } from '@ron/proto/contract';
import { mailboxContract } from '@ron/proto/mailbox';
import { indexContract } from '@ron/proto/names';
import { openApiOf, schemasOf } from '@ron/proto/openapi';
import { publicContracts } from '@ron/proto/public';
import { storageContract } from '@ron/proto/storage';
import { describe, expect, it } from 'vitest';

const contracts: readonly Contract[] = [storageContract, indexContract, mailboxContract, ...publicContracts];

/** A contract change shows here as a diff to be reviewed. `RON_UPDATE_GOLDEN=1` writes the files anew. */
const goldens: Readonly<Record<string, () => unknown>> = {
  'openapi.golden.json': () => openApiOf(publicContracts),
  'schemas.golden.json': () => schemasOf(contracts),
};

describe('golden documents', () => {
  for (const [file, make] of Object.entries(goldens)) {
    it(`${file} is what the contracts say`, () => {
      const path = fileURLToPath(new URL(file, import.meta.url));
      const text = `${JSON.stringify(make(), undefined, 1)}\n`;
      if (process.env['RON_UPDATE_GOLDEN'] === '1') writeFileSync(path, text);
      expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(path, 'utf8')));
      expect(readFileSync(path, 'utf8') === text, 'same content, other spelling: run with RON_UPDATE_GOLDEN=1').toBe(
        true,
      );
    });
  }
});

type Json = Record<string, unknown>;

describe('the OpenAPI document', () => {
  const document = openApiOf(publicContracts) as { paths: Record<string, Record<string, Json>>; components: Json };
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

  it('has every route of the contract once, with its own operationId', () => {
    const routes = publicContracts.flatMap(({ operations }) =>
      Object.values(operations).flatMap(({ http }) => http ?? []),
    );
    expect(operations).toHaveLength(routes.length);
    const ids = operations.map(({ operation }) => operation['operationId']);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('declares exactly the parameters of each path', () => {
    for (const { path, operation } of operations) {
      const declared = (operation['parameters'] as { in: string; name: string }[]).filter((each) => each.in === 'path');
      const inTemplate = [...path.matchAll(/\{([^}]*)\}/g)].map((match) => match[1]);
      expect(declared.map(({ name }) => name)).toEqual(inTemplate);
    }
  });

  it('has no two paths of one shape', () => {
    const shapes = Object.keys(document.paths).map((path) => path.replaceAll(/\{[^}]*\}/g, '{}'));
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  it('names the media type of a stream that has only one', () => {
    const typesOf = (path: string) => {
      const responses = document.paths[path]!['get']!['responses'] as Record<string, { content: Json }>;
      return Object.keys(responses['200']!.content);
    };
    expect(typesOf('/mailbox/{box}/subscribe')).toEqual(['text/event-stream']);
    expect(typesOf('/o/{address}')).toEqual(['*/*']);
  });

  it('only points at components that exist', () => {
    for (const [, pointer] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const target = pointer!.split('/').reduce<unknown>((at, step) => (at as Json | undefined)?.[step], document);
      expect(target, pointer).toBeDefined();
    }
  });

  it('asks for a capability wherever the contract has scopes', () => {
    for (const { operation } of operations) {
      const scopes = operation['x-ron-scopes'] as unknown[];
      expect((operation['security'] as unknown[]).length > 0).toBe(scopes.length > 0);
    }
  });

  it('keeps fixed and mapped fields out of JSON bodies', () => {
    const body = document.paths['/name/{name}']!['put']!['requestBody'] as {
      content: { 'application/json': { schema: { properties: Json; required: string[] } } };
    };
    const { schema } = body.content['application/json'];
    expect(Object.keys(schema.properties)).toEqual(['address', 'expires_at']);
    expect(schema.required).toEqual(['address']);
  });
});
