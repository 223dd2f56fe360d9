//go:build !race

package renormalize_test

const raceDetector = false
