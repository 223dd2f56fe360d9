//go:build !race

package webhook_test

// raceDetector is off in this build.
const raceDetector = false
