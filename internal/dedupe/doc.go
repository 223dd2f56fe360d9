// Package dedupe recognises events that were accepted before.
//
// A [Window] is a set of the ids accepted lately, bounded in time and number, with
// a hash of what each event said. A request claims its events before it publishes
// them, and commits them when they are durable, never before: were an id marked
// first, a crash in between would make the provider's retry a repeat of something
// that does not exist. All doubt ends in a duplicate, never in a loss: what the
// bounds push out, what was not written yet, what cannot be read, what comes to
// two receivers at once. For the same reason the set is exact: a filter that
// is wrong once in a million times loses an event each time.
//
// An id costs 39 to 49 bytes, depending on how full the table of the set is: 45 MB
// for a million ids (TestMemoryOfAMillionIDs measures it), at most 98 MB for the
// default bound of two million. It is taken as ids come, and given back as they go.
// Claim and Commit of one event take about a microsecond.
//
// A [Journal] keeps the set in a topic, so that it outlives the process: it writes
// committed ids at most 250 ms later, reads the topic at the start, and follows
// what other receivers write. Between two receivers an event is therefore
// known after 250 ms, one produce and one fetch: half a second, when all is well.
package dedupe
