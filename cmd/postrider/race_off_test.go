//go:build !race

package main

// raceEnabled says that the program under test is to be built with the race detector.
const raceEnabled = false
