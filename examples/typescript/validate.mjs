// Validates an AsyncAPI document by the reference parser. Every diagnostic is a
// failure, save the news that AsyncAPI has a later version: 3.0 is what most tools read.
//
// usage: node validate.mjs DOCUMENT
import { Parser, fromFile } from '@asyncapi/parser';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('usage: node validate.mjs DOCUMENT');
  process.exit(2);
}
const { document, diagnostics } = await fromFile(new Parser(), file).parse();
const problems = diagnostics.filter((d) => d.code !== 'asyncapi-latest-version');
for (const d of problems) {
  console.error(`${file}:${d.range.start.line + 1}: ${d.path.join('.')}: ${d.message} (${d.code})`);
}
if (!document || problems.length > 0) {
  process.exit(1);
}
const count = (list) => list.all().length;
console.log(
  `${file}: AsyncAPI ${document.version()}, ${count(document.channels())} channels, ` +
    `${count(document.operations())} operations, ${count(document.components().messages())} messages, valid`,
);
