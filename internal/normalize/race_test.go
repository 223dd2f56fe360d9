//go:build race

package normalize_test

// raceDetector is on in this build: pools drop values at random.
const raceDetector = true
