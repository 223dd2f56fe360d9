// Reads bounces and complaints from postrider's topics and says whose address must
// not be written to again. The types are generated: see package.json.
//
// usage: node build/consumer.js [--brokers HOST:PORT,...] [--group NAME] [--topic NAME]...
import { parseArgs } from 'node:util';
import kafkajs, { Kafka, logLevel, type EachMessagePayload, type IHeaders } from 'kafkajs';
import snappy from 'kafkajs-snappy';
import type { Bounce, EmailEvent, Topics } from './generated/postrider.js';

type Payload = Topics['email.bounced' | 'email.complained']['payload'];

const { values: options } = parseArgs({
  options: {
    brokers: { type: 'string', default: process.env['BROKERS'] ?? '127.0.0.1:9092' },
    group: { type: 'string', default: 'suppressions-typescript' },
    topic: { type: 'string', multiple: true, default: ['email.bounced', 'email.complained'] satisfies (keyof Topics)[] },
  },
});

// readme:start
// The address will not take mail again, whatever the message.
const gone: ReadonlySet<Bounce['category']> = new Set(['invalid_recipient', 'bad_domain', 'mailbox_inactive']);

function suppresses(event: Payload): boolean {
  switch (event.type) {
    case 'bounced':
      return event.bounce.class === 'hard' && event.bounce.will_retry !== true && gone.has(event.bounce.category);
    case 'complained':
      return true;
    default:
      return false; // a type that came after this program
  }
}
// readme:end

// Ids that were handled, the latest million. Where an effect must not be repeated
// after a restart either, keep them where the effect is, in one transaction with it.
const handled = new Set<string>();

function handle({ topic, partition, message }: EachMessagePayload): void {
  const place = `${topic}/${partition}/${message.offset}`;
  if (message.value === null) {
    return; // a tombstone
  }
  const event = decoded(message.value);
  const id = event && identity(event, message.headers ?? {}, place);
  if (!event || !id) {
    console.error(`${place}: no event, passed over`);
    return;
  }
  if (handled.has(id)) {
    return; // a repeat
  }
  const { type, recipient } = event;
  console.log(JSON.stringify({ id: event.id, topic, type, recipient, suppress: suppresses(event) }));
  remember(id);
}

// decoded is a value as an event, if it is a JSON object. The topics' contract says the
// rest: an event that comes without what its type promises would be a bug of postrider's.
function decoded(value: Buffer): Payload | undefined {
  try {
    const event: unknown = JSON.parse(value.toString());
    return event instanceof Object && !Array.isArray(event) ? (event as Payload) : undefined;
  } catch {
    return undefined;
  }
}

// identity is what a record is known by: its id. One with the mark conflict is no repeat
// of any other record: where it lay first takes part.
function identity(event: Partial<EmailEvent>, headers: IHeaders, place: string): string | undefined {
  const text = (name: string) => headers[name]?.toString();
  const id = text('ce_id') ?? event.id;
  return id && text('conflict') === 'true' ? `${id}@${text('replay-of') ?? place}` : id;
}

function remember(id: string): void {
  handled.add(id);
  for (const oldest of handled) {
    if (handled.size <= 1_000_000) break;
    handled.delete(oldest);
  }
}

// Batches are compressed with snappy, which kafkajs alone does not read.
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.Snappy] = snappy;

const kafka = new Kafka({ clientId: 'suppressions', brokers: options.brokers.split(','), logLevel: logLevel.ERROR });
const consumer = kafka.consumer({ groupId: options.group });
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void consumer.disconnect()); // after the record in hand; commits what is handled
}
await consumer.connect();
await consumer.subscribe({ topics: options.topic, fromBeginning: true });
// An offset is committed after its record has been handled, never before.
await consumer.run({ autoCommitInterval: 1000, eachMessage: async (record) => handle(record) });
