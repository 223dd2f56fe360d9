package broker

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
)

// ErrUnknownOutcome is wrapped, beside the reason, by the outcome of a record
// that was handed to the broker but neither acknowledged nor refused: it may or
// may not be in the topic. An outcome without it was certainly not published.
var ErrUnknownOutcome = errors.New("outcome unknown")

// verdict is what a produce answer means for the batch.
type verdict uint8

const (
	accepted   verdict = iota // in the log, on all in-sync replicas
	again                     // send the same bytes again
	reroute                   // the same, after looking for the leader
	reidentify                // the broker lost track of our sequence
	divide                    // a record in it is at fault
	refused                   // a setting is at fault; sending again can't help
)

// rule is how one error code of a produce answer is treated.
type rule struct {
	verdict verdict
	// unsure: the broker may have appended the batch all the same. Brokers
	// answer NOT_LEADER also when they lose leadership after the append, while
	// they wait for the replicas (DelayedProduce), so that code proves nothing.
	unsure bool
	reason string // metric label, one of the reason constants
	err    error  // what the record at fault wraps
	advice string
}

// Metric labels of retries and failures: a closed list.
const (
	reasonTimeout     = "timeout"
	reasonLeader      = "leader"
	reasonReplicas    = "replicas"
	reasonTopic       = "topic"
	reasonNetwork     = "network"
	reasonBroker      = "broker"
	reasonSequence    = "sequence"
	reasonThrottle    = "throttle"
	reasonCoordinator = "coordinator"
	reasonTooLarge    = "too_large"
	reasonInvalid     = "invalid"
	reasonAccess      = "access"
	reasonProtocol    = "protocol"
	reasonOther       = "other"

	// reasonPerhapsTwice: records of unknown outcome are sent under a new identity.
	reasonPerhapsTwice = "perhaps_twice"
)

// ruleOf classifies an error code of a produce answer. A code that is not in
// the table is none a broker should give to a produce request.
//
// Such a code, like UNKNOWN_SERVER_ERROR, comes from a broker that failed
// somewhere between looking at the batch and keeping it. It may have counted
// the sequence numbers and not the records; "repeated" in answer to the same
// bytes would then prove nothing, and believing it would lose them. Under a new
// identity they could become a second copy. So neither is tried: the outcome is
// unknown, at once, the identity is left behind, and the caller's peer decides.
func ruleOf(code int16) rule {
	if r, ok := rules[code]; ok {
		return r
	}
	return rule{verdict: reidentify, unsure: true, reason: reasonOther}
}

// rules covers the codes that brokers give to produce and InitProducerId
// (https://kafka.apache.org/protocol#protocol_error_codes), and those that
// kafka-go v0.4.51 makes itself while it connects. It is never written to.
var rules = map[int16]rule{
	0: {verdict: accepted},
	// The append happened with an earlier attempt of the same bytes.
	46: {verdict: accepted},

	7:  {verdict: again, unsure: true, reason: reasonTimeout},
	19: {verdict: again, reason: reasonReplicas},
	20: {verdict: again, unsure: true, reason: reasonReplicas},
	-1: {verdict: reidentify, unsure: true, reason: reasonBroker},
	13: {verdict: reroute, unsure: true, reason: reasonNetwork},
	56: {verdict: reroute, unsure: true, reason: reasonBroker},
	89: {verdict: again, reason: reasonThrottle},

	14: {verdict: again, reason: reasonCoordinator},
	15: {verdict: again, reason: reasonCoordinator},
	16: {verdict: again, reason: reasonCoordinator},
	51: {verdict: again, reason: reasonCoordinator},

	// A deleted topic takes its records along, so 3 and 100 are certain.
	3:   {verdict: reroute, reason: reasonTopic},
	100: {verdict: reroute, reason: reasonTopic},
	103: {verdict: reroute, reason: reasonTopic},
	5:   {verdict: reroute, reason: reasonLeader},
	6:   {verdict: reroute, unsure: true, reason: reasonLeader},
	8:   {verdict: reroute, unsure: true, reason: reasonLeader},
	9:   {verdict: reroute, unsure: true, reason: reasonLeader},
	72:  {verdict: reroute, reason: reasonLeader},
	74:  {verdict: reroute, unsure: true, reason: reasonLeader},
	75:  {verdict: reroute, unsure: true, reason: reasonLeader},

	45: {verdict: reidentify, reason: reasonSequence},
	47: {verdict: reidentify, reason: reasonSequence},
	49: {verdict: reidentify, reason: reasonSequence},
	59: {verdict: reidentify, reason: reasonSequence},
	90: {verdict: reidentify, reason: reasonSequence},

	4:  {verdict: divide, reason: reasonTooLarge, err: ErrTooLarge},
	10: {verdict: divide, reason: reasonTooLarge, err: ErrTooLarge},
	18: {verdict: divide, reason: reasonTooLarge, err: ErrTooLarge},
	2:  {verdict: divide, reason: reasonInvalid, err: ErrInvalid},
	32: {verdict: divide, reason: reasonInvalid, err: ErrInvalid},
	44: {verdict: divide, reason: reasonInvalid, err: ErrInvalid},
	87: {verdict: divide, reason: reasonInvalid, err: ErrInvalid},

	17: {verdict: refused, reason: reasonTopic, advice: "the topic's name is not allowed: check kafka.topics"},
	29: {verdict: refused, reason: reasonAccess, advice: "grant WRITE on the topic to this account"},
	31: {verdict: refused, reason: reasonAccess, advice: "grant IDEMPOTENT_WRITE on the cluster to this account"},
	53: {verdict: refused, reason: reasonAccess, advice: "grant WRITE on the topic to this account"},
	55: {verdict: refused, reason: reasonAccess, advice: "check kafka.sasl and the brokers' access rules"},
	65: {verdict: refused, reason: reasonAccess, advice: "check kafka.sasl and the brokers' access rules"},
	21: {verdict: refused, reason: reasonProtocol, advice: "the broker does not take acks=all: is it a Kafka broker?"},
	35: {verdict: refused, reason: reasonProtocol, advice: "the broker is too old: 0.11 is the oldest with idempotent producers"},
	42: {verdict: refused, reason: reasonProtocol, advice: "the broker does not understand us: is it a Kafka broker?"},
	43: {verdict: refused, reason: reasonProtocol, advice: "set the topic's message format to 0.11 or newer"},
	48: {verdict: refused, reason: reasonProtocol, advice: "the broker takes us for a transactional producer"},
	76: {verdict: refused, reason: reasonProtocol, advice: "check the topic's compression.type"},

	// Wrong credentials may be put right without a restart on the broker's
	// side, and no record is ever sent with them: worth trying until the end.
	33: {verdict: again, reason: reasonAccess},
	34: {verdict: again, reason: reasonAccess},
	58: {verdict: again, reason: reasonAccess},
}

// topicError names where err happened and what to do about it.
func (r rule) topicError(topic string, err error) error {
	if r.err != nil {
		return fmt.Errorf("topic %s: %w: %w", topic, r.err, err)
	}
	if r.advice != "" {
		return fmt.Errorf("topic %s: %s: %w", topic, r.advice, err)
	}
	return fmt.Errorf("topic %s: %w", topic, err)
}

// codeOf finds the Kafka error code in err; ok is false for failures below the
// protocol (connections, routing).
func codeOf(err error) (code int16, ok bool) {
	if e, ok := errors.AsType[kafka.Error](err); ok {
		return int16(e), true //nolint:gosec // kafka-go decodes it from an int16
	}
	return 0, false
}

// expired is the outcome of a record that was never handed to the broker.
func expired(cause error) error {
	if cause == nil {
		return fmt.Errorf("%w: still queued", ErrDeadline)
	}
	return fmt.Errorf("%w: %w", ErrDeadline, cause)
}

// unknown is the outcome of a record that was handed to the broker.
func unknown(reason, cause error) error {
	if cause == nil {
		return fmt.Errorf("%w: %w", reason, ErrUnknownOutcome)
	}
	return fmt.Errorf("%w: %w: %w", reason, ErrUnknownOutcome, cause)
}
