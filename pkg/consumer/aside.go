package consumer

// Headers that a record gets beside its own when it is put into a retry topic or
// the dead-letter topic. Key, value, and its other headers stay as they were.
const (
	HeaderGroup     = "retry-group"      // the group that could not handle it
	HeaderOf        = "retry-of"         // topic/partition/offset where it lay first
	HeaderAttempts  = "retry-attempts"   // how often it was tried
	HeaderFirst     = "retry-first"      // when it failed first, RFC 3339 with milliseconds
	HeaderError     = "retry-error"      // the last error's text, at most 1 KiB
	HeaderNotBefore = "retry-not-before" // when it is due, RFC 3339 with milliseconds; in retry topics only
	HeaderDead      = "dead-reason"      // DeadPermanent or DeadAttempts; in the dead-letter topic only
)

// The values of HeaderDead.
const (
	DeadPermanent = "permanent" // the Handler said that trying again is of no use
	DeadAttempts  = "attempts"  // all attempts failed
)
