//go:build !race

package app_test

// raceDetector is off in this build.
const raceDetector = false
