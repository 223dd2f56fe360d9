// Package rawconn spares connections of TCP what the runtime does around a system call
// that may block.
//
// A socket's do not: net has them return at once, and waits by other means. Still the
// runtime is told of each, and takes the processor away from a thread that is in a system
// call for 20 microseconds (runtime.retake), as a write is now and then that hands the
// loopback interface its bytes or runs into an interrupt. Another thread is woken to go
// on, and the first comes back to find nothing to go on with. On two busy cores a
// receiver that publishes to Kafka was switched between threads twice as often as its
// work asked for, and spent up to a fifth more.
//
// So reads and writes are made by way of [syscall.RawConn] without telling the runtime,
// as [syscall.RawSyscall] does. All waiting is still the runtime's: for bytes, for room,
// for deadlines.
//
// This holds on Linux. Builds with the race detector go without: it learns from the
// package syscall that an answer comes after its request.
package rawconn
