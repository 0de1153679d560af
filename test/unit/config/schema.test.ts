import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configJsonSchema, configJsonSchemaText } from '../../../control/config/json-schema.js';

describe('sidetrack.schema.json', () => {
  it('is what the schema generates; build, then run build/control/config/json-schema.js', () => {
    const file = new URL('../../../sidetrack.schema.json', import.meta.url);
    expect(readFileSync(file, 'utf8')).toBe(configJsonSchemaText());
  });

  it('is laid out without a change of content', () => {
    expect(JSON.parse(configJsonSchemaText())).toEqual(configJsonSchema());
  });

  it('describes what people write, so keys with a default may be left out', () => {
    expect(configJsonSchema()).toMatchObject({
      required: ['router', 'servers'],
      additionalProperties: false,
      properties: {
        router: { required: ['host', 'interfaces'] },
        servers: { items: { required: ['host', 'interface', 'address'] } },
      },
    });
  });
});
