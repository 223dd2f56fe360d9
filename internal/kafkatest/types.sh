#!/usr/bin/env bash
# Validates schemas/asyncapi.v1.yaml by AsyncAPI's reference parser, generates TypeScript
# types from it and the JSON Schema, and compiles them with the example consumer, the
# document's examples and what the types must refuse.
#
# usage: types.sh DIR
#
#   DIR   where packages and what is generated go; the consumer is then
#         DIR/examples/typescript/build/consumer.js
#
# Needs node 18 or newer and npm. No package's own install script is run.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: types.sh DIR" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
to=$1/examples/typescript
mkdir -p "$to" "$1/schemas"
cp "$root"/schemas/*.yaml "$root"/schemas/*.json "$1/schemas"
for file in package.json package-lock.json tsconfig.json validate.mjs generate.mjs consumer.ts check.ts kafkajs-snappy.d.ts; do
  cp "$root/examples/typescript/$file" "$to"
done

cd "$to"
npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error
npm run --silent validate

# A validator that lets everything pass would be none.
broken=$(dirname "$(dirname "$PWD")")/schemas/broken.yaml
sed '0,/action: receive/s//action: recieve/' ../../schemas/asyncapi.v1.yaml >"$broken"
if node validate.mjs "$broken" 2>/dev/null; then
  echo 'types.sh: a document with a wrong action was called valid' >&2
  exit 1
fi

rm -rf generated build
npm run --silent generate
npm run --silent build
echo "types.sh: $(grep -c '^export ' generated/postrider.ts) types and $(grep -c '^export ' generated/examples.ts) examples compiled"
