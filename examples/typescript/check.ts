// What the generated types must refuse. Each comment demands an error on the next line:
// were the types too loose, compiling would fail.
import type { BouncedRecord, DeliveredRecord, EmailEvent, EventHeaders, RequestRecord, Topics } from './generated/postrider.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const yes = <T extends true>(): T | void => {};

yes<Equal<BouncedRecord['payload']['type'], 'bounced'>>();
yes<Equal<BouncedRecord['payload']['bounce']['class'], 'hard' | 'soft' | 'undetermined'>>();
yes<Equal<Topics['email.delivered'], DeliveredRecord>>();
yes<Equal<RequestRecord['payload'], Uint8Array>>();

declare const event: EmailEvent;
declare const headers: EventHeaders;
declare const delivered: DeliveredRecord;

// @ts-expect-error bounce may be absent on events in general
event.bounce.class;
// @ts-expect-error no such field
event.reciepient;
// @ts-expect-error a header that may be absent
headers.ce_time.length;
// @ts-expect-error a header's value is text
headers['mapper-version'] = 1;
// @ts-expect-error what lies in this topic was delivered
delivered.payload.type === 'bounced';
// @ts-expect-error no such topic
export type None = Topics['email.bouncd'];
