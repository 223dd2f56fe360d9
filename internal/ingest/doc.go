// Package ingest is the public listener: it takes a provider's webhook from the
// socket to the acknowledged records and answers it.
//
// The path of a request, in the order of the files:
//
//	server.go    limits of a server that faces the internet, routes
//	handler.go   source → cheap checks → body → proof → pipeline → answer
//	body.go      the raw body, read once, bounded, inflated under a cap of its own
//	room.go      memory for large batches, a few at a time
//	pipeline.go  normalize → records → publish → what could not be published
//	records.go   events, dead letters and the raw request as Kafka records
//	answer.go    every outcome and its HTTP status, in one place
//
// Echo is spoken here and nowhere else.
package ingest
