// Package downstream holds what proves that consumers lose nothing and do nothing
// twice, and nothing else: processes that are killed, groups that never come to rest,
// brokers that go away, an HTTP target that breaks every rule. All of it is judged
// from outside: by what a store with transactions was told, and by what lies in Kafka.
//
//	go test ./internal/downstream                           a few seconds, embedded broker
//	POSTRIDER_TEST_BROKERS=… POSTRIDER_TEST_KAFKA_DIR=… \
//	go test -v ./internal/downstream                        a minute, a real Kafka
//	go test -v ./internal/downstream -downstream.full       some minutes; the published figures
//
// docs/reliability.md says what is done and what came of it.
package downstream
