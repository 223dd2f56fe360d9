//go:build !race

package normalize_test

// raceDetector is off in this build.
const raceDetector = false
