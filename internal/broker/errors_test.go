package broker

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
)

// TestEveryErrorCodeIsClassified goes through every code that kafka-go knows.
// A produce request can get those named here; the rest must be treated as
// unknown: outcome open, not sent again, the identity left behind.
func TestEveryErrorCodeIsClassified(t *testing.T) {
	type class struct {
		verdict verdict
		unsure  bool
	}
	want := map[kafka.Error]class{
		0: {accepted, false}, kafka.DuplicateSequenceNumber: {accepted, false},

		kafka.RequestTimedOut: {again, true}, kafka.NotEnoughReplicas: {again, false},
		kafka.NotEnoughReplicasAfterAppend: {again, true}, kafka.Unknown: {reidentify, true},
		kafka.ThrottlingQuotaExceeded: {again, false}, kafka.ConcurrentTransactions: {again, false},
		kafka.GroupLoadInProgress: {again, false}, kafka.GroupCoordinatorNotAvailable: {again, false},
		kafka.NotCoordinatorForGroup: {again, false}, kafka.UnsupportedSASLMechanism: {again, false},
		kafka.IllegalSASLState: {again, false}, kafka.SASLAuthenticationFailed: {again, false},

		kafka.UnknownTopicOrPartition: {reroute, false}, kafka.UnknownTopicID: {reroute, false},
		kafka.InconsistentTopicID: {reroute, false}, kafka.LeaderNotAvailable: {reroute, false},
		kafka.NotLeaderForPartition: {reroute, true}, kafka.BrokerNotAvailable: {reroute, true},
		kafka.ReplicaNotAvailable: {reroute, true}, kafka.NetworkException: {reroute, true},
		kafka.KafkaStorageError: {reroute, true}, kafka.ListenerNotFound: {reroute, false},
		kafka.FencedLeaderEpoch: {reroute, true}, kafka.UnknownLeaderEpoch: {reroute, true},

		kafka.OutOfOrderSequenceNumber: {reidentify, false}, kafka.InvalidProducerEpoch: {reidentify, false},
		kafka.InvalidProducerIDMapping: {reidentify, false}, kafka.UnknownProducerId: {reidentify, false},
		kafka.ProducerFenced: {reidentify, false},

		kafka.InvalidMessage: {divide, false}, kafka.InvalidMessageSize: {divide, false},
		kafka.MessageSizeTooLarge: {divide, false}, kafka.RecordListTooLarge: {divide, false},
		kafka.InvalidTimestamp: {divide, false}, kafka.PolicyViolation: {divide, false}, kafka.InvalidRecord: {divide, false},

		kafka.InvalidTopic: {refused, false}, kafka.InvalidRequiredAcks: {refused, false},
		kafka.TopicAuthorizationFailed: {refused, false}, kafka.ClusterAuthorizationFailed: {refused, false},
		kafka.TransactionalIDAuthorizationFailed: {refused, false}, kafka.BrokerAuthorizationFailed: {refused, false},
		kafka.DelegationTokenAuthorizationFailed: {refused, false}, kafka.UnsupportedVersion: {refused, false},
		kafka.InvalidRequest: {refused, false}, kafka.UnsupportedForMessageFormat: {refused, false},
		kafka.InvalidTransactionState: {refused, false}, kafka.UnsupportedCompressionType: {refused, false},
	}
	known := 0
	for code := int16(-1); code < 200; code++ {
		e := kafka.Error(code)
		if e.Title() != "" {
			known++
		}
		expect, named := want[e]
		if !named {
			expect = class{reidentify, true}
		}
		r := ruleOf(code)
		if got := (class{r.verdict, r.unsure}); got != expect {
			t.Errorf("%d %s: got %v, want %v", code, e.Title(), got, expect)
		}
		if r.verdict != accepted && !labels[r.reason] {
			t.Errorf("%d %s: reason %q is not in the closed list", code, e.Title(), r.reason)
		}
		if r.verdict == refused && r.advice == "" {
			t.Errorf("%d %s is refused without saying what to do", code, e.Title())
		}
		if r.verdict == divide && !errors.Is(r.err, ErrTooLarge) && !errors.Is(r.err, ErrInvalid) {
			t.Errorf("%d %s blames a record without an error for it", code, e.Title())
		}
	}
	if known < 100 {
		t.Errorf("only %d codes have a title: is kafka-go's table empty?", known)
	}
}

var labels = map[string]bool{
	"timeout": true, "leader": true, "replicas": true, "topic": true, "network": true, "broker": true, "sequence": true,
	"throttle": true, "coordinator": true, "too_large": true, "invalid": true, "access": true, "protocol": true, "other": true,
}

// InitProducerID appends nothing and has no records to blame.
func TestProducerIDErrorsNeverBlameRecords(t *testing.T) {
	for code := int16(-1); code < 200; code++ {
		r := identityRule(kafka.Error(code))
		if r.unsure || r.verdict == divide || r.verdict == reidentify || r.verdict == accepted {
			t.Errorf("%d: got %v unsure %v", code, r.verdict, r.unsure)
		}
	}
	if r := identityRule(context.DeadlineExceeded); r.verdict != reroute || r.unsure {
		t.Errorf("no answer: got %+v, want another leader to be looked for", r)
	}
}

func TestErrorsNameTheTopicAndTheWayOut(t *testing.T) {
	err := ruleOf(29).topicError("orders", &answerError{code: 29, message: "denied by the authorizer"})
	for _, part := range []string{"orders", "grant WRITE", "denied by the authorizer"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if !errors.Is(err, kafka.TopicAuthorizationFailed) {
		t.Errorf("%v does not wrap the broker's code", err)
	}
}
