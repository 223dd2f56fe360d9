//go:build !race

package ingest_test

// raceDetector is off in this build.
const raceDetector = false
