//go:build race

package broker

// raceEnabled says that the tests run with the race detector, which allocates.
const raceEnabled = true
