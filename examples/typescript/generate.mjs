// Generates TypeScript types from the AsyncAPI document and the JSON Schema beside it:
// one for each schema, one for each kind of record (key, headers, payload), and Topics,
// which says what lies in each topic. The document's examples become constants of
// these types in a second file, so that the compiler holds real records against them.
//
// usage: node generate.mjs DOCUMENT FOLDER
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compile } from 'json-schema-to-typescript';
import { load } from 'js-yaml';

const [file, folder] = process.argv.slice(2);
if (!file || !folder) {
  console.error('usage: node generate.mjs DOCUMENT FOLDER');
  process.exit(2);
}
const eventFile = './event.v1.schema.json';
const document = load(await readFile(file, 'utf8'));
const event = JSON.parse(await readFile(join(dirname(file), eventFile), 'utf8'));
const { channels, components } = document;
const definitions = {};
const banner = '/* Generated from asyncapi.v1.yaml and event.v1.schema.json. Do not edit. */';

define('EmailEvent', event);
for (const [name, schema] of Object.entries(components.schemas)) {
  define(capital(name), schema);
}
for (const [name, message] of Object.entries(components.messages)) {
  define(recordName(name), record(message));
}
const types = await compile({ ...topics(), definitions }, 'Topics', {
  additionalProperties: false, // what is not described is nothing a program can rely on
  bannerComment: banner,
  unreachableDefinitions: true,
});
await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'postrider.ts'), types.replace(/ \*\n \* This .* was referenced by .*\n \* via the `definition` .*\n/g, ''));
await writeFile(join(folder, 'examples.ts'), examples());

function capital(name) {
  return name[0].toUpperCase() + name.slice(1);
}

function recordName(message) {
  return `${capital(message)}Record`;
}

function define(name, schema) {
  definitions[name] ??= { ...rewrite(schema), title: name };
}

// topics is an object with a member for each topic that has a fixed name and is not
// postrider's own.
function topics() {
  const open = Object.values(channels).filter((c) => !c['x-internal'] && !c.parameters);
  const properties = Object.fromEntries(
    open.map((channel) => {
      const records = Object.keys(channel.messages).map((name) => ({ $ref: `#/definitions/${recordName(name)}` }));
      const one = records.length === 1 ? { allOf: records } : { oneOf: records };
      return [channel.address, { ...one, description: channel.summary }];
    }),
  );
  return { description: 'What lies in each topic.', type: 'object', required: Object.keys(properties), properties };
}

function record(message) {
  const binding = message.bindings && components.messageBindings[last(message.bindings.$ref)];
  return {
    description: message.summary ?? `A record of the type ${message.name}.`,
    type: 'object',
    required: ['key', 'headers', 'payload'],
    properties: { key: binding?.kafka.key ?? { type: 'string' }, headers: message.headers ?? {}, payload: message.payload },
  };
}

// examples is a constant for each example of a message.
function examples() {
  const lines = [banner, "import type * as postrider from './postrider.js';"];
  for (const [name, message] of Object.entries(components.messages)) {
    (message.examples ?? []).forEach(({ headers, payload }, i) => {
      const text = JSON.stringify(payload);
      const value = typeof payload === 'string' ? `new TextEncoder().encode(${text})` : text;
      const type = `Omit<postrider.${recordName(name)}, 'key'>`;
      lines.push(`export const ${name}${i}: ${type} = { headers: ${JSON.stringify(headers)}, payload: ${value} };`);
    });
  }
  return `${lines.join('\n')}\n`;
}

function last(ref) {
  return ref.split('/').at(-1);
}

// rewrite makes a schema one of the generator's: references lead to definitions, and
// an object within the event becomes a definition of its own.
function rewrite(schema) {
  if (Array.isArray(schema)) {
    return schema.map(rewrite);
  }
  if (schema === null || typeof schema !== 'object') {
    return schema;
  }
  if (typeof schema.$ref === 'string') {
    return { $ref: `#/definitions/${target(schema.$ref)}` };
  }
  const { $schema, $id, $comment, title, examples: shown, ...rest } = schema;
  if (rest.allOf?.every((rule) => rule.if)) {
    delete rest.allOf; // rules that no type can express
  }
  const out = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, rewrite(value)]));
  if (schema === event) {
    out.properties = Object.fromEntries(Object.entries(out.properties).map(part));
  }
  return out.format === 'binary' ? { ...out, tsType: 'Uint8Array' } : out;
}

function part([name, schema]) {
  if (!schema.properties) {
    return [name, schema];
  }
  define(capital(name), schema);
  return [name, { $ref: `#/definitions/${capital(name)}` }];
}

// target is the name of what a reference leads to.
function target(ref) {
  const [path, pointer = ''] = ref.split('#');
  if (path !== '' && path !== eventFile) {
    throw new Error(`${file}: nobody read ${path}`);
  }
  return pointer === '' ? 'EmailEvent' : capital(last(pointer));
}
