//go:build race

package app_test

// raceDetector is on in this build: answers take several times as long.
const raceDetector = true
