// Package archtest holds the rules of the architecture as tests: which package
// may import what, how large files and functions may grow, what must be
// documented, in which files a provider has to be named, and that the files
// which deploy the program set keys that exist. It has no code of its own to
// call.
//
// The tests parse the source, they do not ask the go command, so that the test
// cache notices every change. Each rule is itself tested on a small planted
// violation (TestRulesCatch): a rule that cannot fail is no rule.
//
// The table in table_test.go is the architecture. A new package gets a row
// there, and the row is the place to argue about it.
package archtest
