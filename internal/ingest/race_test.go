//go:build race

package ingest_test

// raceDetector is on in this build: memory pools drop at random what they hold.
const raceDetector = true
