//go:build race

package renormalize_test

// raceDetector makes everything slow.
const raceDetector = true
